"""Real processes in real cgroups and mount namespaces, made as the kubelet makes them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.probes.node_folder import need_root

from distcheck.agent.probes import shm
from distcheck.agent.probes.proc import Proc
from distcheck.agent.proc_text import pod_of

UID = "5f0c2f64-6a53-4d0b-9a6e-0c4f3e1d7a10"
UNDER, STATIC, HEX = UID.replace("-", "_"), "0123456789abcdef" * 2, "ab" * 32
BURSTABLE = f"kubepods-burstable-pod{UNDER}.slice"
SLICES = f"kubepods.slice/kubepods-burstable.slice/{BURSTABLE}"
SHAPES = {
    "containerd": (f"{SLICES}/cri-containerd-{HEX}.scope", UID),
    "guaranteed": (f"kubepods.slice/kubepods-pod{UNDER}.slice/cri-containerd-{HEX}.scope", UID),
    "CRI-O": (f"{SLICES}/crio-{HEX}.scope/container", UID),
    "Docker": (f"{SLICES}/docker-{HEX}.scope", UID),
    "cgroupfs": (f"kubepods/burstable/pod{UID}/{HEX}", UID),
    "static pod": (f"kubepods/burstable/pod{STATIC}/{HEX}", STATIC),
    "mixed drivers": (f"system.slice/containerd.service/{BURSTABLE}:cri-containerd:{HEX}", UID),
    "kind": (f"kubelet.slice/kubelet-kubepods.slice/kubelet-{BURSTABLE}/crio-{HEX}.scope", UID),
}


def hierarchies() -> dict[str, Path]:
    """Where cgroups can be made: version 2, and one controller of version 1."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    kinds = [("version 2", Path(m[1])) for m in mounts if m[2] == "cgroup2"]
    kinds += [("version 1", Path(m[1])) for m in mounts if m[2] == "cgroup" and "pids" in m[3]]
    return dict(kinds)


@contextmanager
def scratch(version: str) -> Iterator[Path]:
    """An empty cgroup for this test, or a skip that says why there is none."""
    root = hierarchies().get(version)
    if os.geteuid() != 0 or root is None:
        assert os.geteuid() == 0 or not os.environ.get("CI"), "CI is root"
        pytest.skip(f"needs root and cgroups of {version}")
    folder = root / f"distcheck-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        yield folder
    finally:
        for below in sorted(folder.rglob("*/"), key=lambda p: -len(p.parts)):
            _remove(below)
        _remove(folder)


def _remove(folder: Path) -> None:
    """A cgroup stays busy for a moment after its last process."""
    for _ in range(100):
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.02)
        else:
            return


@contextmanager
def sleeping(cgroup: Path, *unshare: str) -> Iterator[int]:
    """The number of a process in that cgroup."""
    cgroup.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen([*unshare, "sleep", "60"]) as process:
        try:
            (cgroup / "cgroup.procs").write_text(str(process.pid))
            while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
                time.sleep(0.01)
            yield process.pid
        finally:
            process.kill()


@pytest.mark.parametrize("version", ["version 1", "version 2"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_real_process_is_found_in_its_pod(version: str, shape: str) -> None:
    path, uid = SHAPES[shape]
    with scratch(version) as folder, sleeping(folder / path) as pid:
        task = next(t for t in Proc("/proc").tasks() if t.pid == pid)
        assert (task.pod_uid, task.container_id, task.title) == (uid, HEX, "sleep")
        assert Proc("/proc").owner(pid) == "pod"


@pytest.mark.parametrize("version", ["version 1", "version 2"])
def test_the_monitor_of_a_container_is_none_of_its_processes(version: str) -> None:
    with scratch(version) as folder, sleeping(folder / SLICES / f"crio-conmon-{HEX}.scope") as pid:
        assert pid not in {t.pid for t in Proc("/proc").tasks()}
        assert Proc("/proc").owner(pid) == "node"


@pytest.mark.parametrize("version", ["version 1", "version 2"])
def test_an_agent_in_a_cgroup_namespace_of_its_own_sees_the_same_pod(version: str) -> None:
    """As most containers are: every path then starts at the reader's own cgroup."""
    why = need_root("unshare")
    if why:
        assert not os.environ.get("CI"), f"CI {why}"
        pytest.skip(why)
    agent = f"kubepods.slice/kubepods-podaaaaaaaa{UNDER[8:]}.slice/cri-containerd-{'cd' * 32}.scope"
    with ExitStack() as stack:
        folder = stack.enter_context(scratch(version))
        pid = stack.enter_context(sleeping(folder / SHAPES["containerd"][0]))
        (folder / agent).mkdir(parents=True)
        enter = f"echo $$ > {folder / agent}/cgroup.procs && exec unshare -C cat /proc/{pid}/cgroup"
        done = subprocess.run(["sh", "-c", enter], capture_output=True, text=True, check=True)
    path = next(line for line in done.stdout.splitlines() if BURSTABLE in line).split(":", 2)[2]
    assert path.startswith("/../")
    assert pod_of(done.stdout) == (UID, HEX)


MOUNTS = (
    "mkdir -p {pods}/{uid}/containers/vllm && : > {pods}/{uid}/containers/vllm/0a1b2c3d && "
    "mount -t tmpfs -o size=1m shm /dev/shm && head -c 4096 /dev/zero > /dev/shm/nccl-a && "
    "mount --bind {pods}/{uid}/containers/vllm/0a1b2c3d {target} && echo ready && read -r over"
)


def test_a_real_mount_namespace_shows_the_container_and_its_dev_shm(tmp_path: Path) -> None:
    why = need_root("unshare")
    if why:
        assert not os.environ.get("CI"), f"CI {why}"
        pytest.skip(why)
    (tmp_path / "termination-log").write_text("")
    script = MOUNTS.format(pods=tmp_path / "pods", uid=UID, target=tmp_path / "termination-log")
    command = ["unshare", "-m", sys.executable, "-c", _RUN, script]
    with scratch("version 2" if "version 2" in hierarchies() else "version 1") as folder:
        cgroup = folder / SHAPES["cgroupfs"][0]
        cgroup.mkdir(parents=True)
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as inside:
            assert inside.stdin is not None
            assert inside.stdout is not None
            pid = int(inside.stdout.readline())
            assert inside.stdout.readline() == "ready\n"
            (cgroup / "cgroup.procs").write_text(str(pid))
            proc = Proc("/proc")
            seen = proc.described(next(t for t in proc.tasks() if t.pid == pid))
            mount = shm.look("/proc", pid, "now")
            inside.stdin.close()
    assert (seen.container, seen.container_id) == ("vllm", HEX)
    assert (mount.source, mount.size_bytes, mount.used_bytes) == ("shm", 1 << 20, 4096)


_RUN = "import os, sys; print(os.getpid(), flush=True); os.execvp('sh', ['sh', '-c', sys.argv[1]])"
