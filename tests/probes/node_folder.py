"""A node as a folder: a small `/proc`, pod logs, a container's file system, GPUs."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from distcheck.agent.settings import Settings

UID = "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10"
CONTAINER = "c0ffee" * 10 + "abcd"
BOOT = 1_700_000_000
SYSTEMD = "0::/kubepods.slice/kubepods-pod{uid_}.slice/cri-containerd-{container}.scope\n"


class Node(Struct, frozen=True):
    """Builds one node below `root`."""

    root: Path

    @property
    def settings(self) -> Settings:
        """The agent's settings for this folder."""
        return Settings(
            node="gpu-a",
            host_proc=str(self.root / "proc"),
            host_sys=str(self.root / "sys"),
            pod_logs=str(self.root / "pod-logs"),
            listen="127.0.0.1:0",
            metrics="127.0.0.1:0",
            port_probes=True,
        )

    def start(self) -> "Node":
        """The empty node."""
        for name in ("proc", "pod-logs", "container"):
            (self.root / name).mkdir()
        (self.root / "proc" / "stat").write_text(f"cpu 0\nbtime {BOOT}\n")
        self.gpus([])
        return self

    def process(
        self,
        pid: int,
        argv: Sequence[str],
        *,
        uid: str = UID,
        environ: dict[str, str] | None = None,
        ppid: int = 1,
    ) -> Path:
        """A process of the pod `uid`; its folder below `proc`."""
        folder = self.root / "proc" / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "net").mkdir()
        (folder / "cmdline").write_bytes(b"".join(a.encode() + b"\0" for a in argv))
        zeros = " ".join(["0"] * 17)
        (folder / "stat").write_text(f"{pid} (a ) b) S {ppid} {zeros} 12345 0\n")
        (folder / "cgroup").write_text(
            SYSTEMD.format(uid_=uid.replace("-", "_"), container=CONTAINER)
        )
        (folder / "mountinfo").write_text(
            "22 1 0:301 / / rw - overlay overlay rw\n"
            "23 22 0:302 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k\n"
        )
        pairs = (environ or {}).items()
        (folder / "environ").write_bytes(b"".join(f"{k}={v}".encode() + b"\0" for k, v in pairs))
        for table in ("tcp", "tcp6"):
            (folder / "net" / table).write_text("  sl  local_address rem_address   st\n")
        (folder / "root").symlink_to(self.root / "container")
        (folder / "ns" / "net").symlink_to("/proc/self/ns/net")
        return folder

    def log(
        self, name: str, text: str | bytes, *, pod: str = "vllm-head-0", uid: str = UID
    ) -> Path:
        """A log file of the pod's container `vllm`."""
        folder = self.root / "pod-logs" / f"llm_{pod}_{uid}" / "vllm"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def inside(self, path: str, text: str) -> Path:
        """A file inside the container."""
        file = self.root / "container" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def gpus(self, gpus: list[dict[str, object]], **more: object) -> Path:
        """The file that the stand-in for NVML reads."""
        path = self.root / "nvml.json"
        path.write_text(json.dumps({"driver": "570.133.20", "gpus": gpus, **more}))
        return path


def gpu(index: int, *pids: int, **more: object) -> dict[str, object]:
    """One GPU, used by these processes."""
    processes = [{"pid": p, "memory_used": 70 << 30} for p in pids]
    return {
        "uuid": f"GPU-{index:08d}-0000-4000-8000-000000000000",
        "name": "NVIDIA H100 80GB HBM3",
        "memory_total": 80 << 30,
        "memory_used": 71 << 30,
        "processes": processes,
        **more,
    }


def need_root(tool: str = "") -> str | None:
    """Why a test that needs root (and `tool`) cannot run here; None where it can."""
    if os.geteuid() != 0:
        return "needs root"
    paths = (Path(p) / tool for p in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))
    return None if not tool or any(p.exists() for p in paths) else f"needs {tool}"
