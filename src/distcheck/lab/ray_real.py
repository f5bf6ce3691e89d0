"""Two real raylets and a GCS on loopback addresses, each `ray start` in its own group."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from distcheck.agent.probes import gcs
from distcheck.checks.evidence import Missing, RayCluster
from distcheck.checks.evidence.ray import RayNode
from distcheck.lab.machine import free_port

_START_SECONDS = 60.0
_FAST = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "300",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "2",
}


class RealRay:
    """Real Ray: the first node is the head. GPUs are what `--num-gpus` claims."""

    def __init__(self, nodes: Sequence[tuple[str, int]], *, port: int = 0) -> None:
        self._nodes = tuple(nodes)
        self.gcs_port = port or free_port()
        self.address = f"{nodes[0][0]}:{self.gcs_port}"
        self._folder = Path()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start all nodes at once and wait for their rows.

        Raises:
            RuntimeError: they did not join in time; the message ends with the head's log.
        """
        self._folder = Path(tempfile.mkdtemp(prefix="dcr"))
        try:
            for ip, gpus in self._nodes:
                self._processes[ip] = self._spawn(ip, gpus)
            self._wait()
        except BaseException:
            self.stop()
            raise

    def _spawn(self, ip: str, gpus: int) -> subprocess.Popen[bytes]:
        is_head = ip == self._nodes[0][0]
        where = (
            [
                "--head",
                f"--port={self.gcs_port}",
                "--include-dashboard=false",
                f"--temp-dir={self._folder}",
            ]
            if is_head
            else [f"--address={self.address}"]
        )
        with (self._folder / f"{ip}.log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
                [
                    sys.executable,
                    "-m",
                    "ray.scripts.scripts",
                    "start",
                    "--block",
                    *where,
                    f"--node-ip-address={ip}",
                    "--num-cpus=1",
                    f"--num-gpus={gpus}",
                    "--object-store-memory=80000000",
                    "--disable-usage-stats",
                ],
                env=self._environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        """Ours, but a HOME of its own: a token in the real one would switch on Ray's auth."""
        own = {"HOME": str(self._folder), "RAY_AUTH_MODE": "disabled"}
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
        return kept | own | {"RAY_USAGE_STATS_ENABLED": "0"} | _FAST

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while len(self.alive()) < len(self._nodes):
            ended = [ip for ip, p in self._processes.items() if p.poll() is not None]
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"Ray did not start on {ended or 'all nodes'}: {self._tail()}")
            time.sleep(0.1)

    def _tail(self) -> str:
        logs = sorted(self._folder.glob("*.log"))
        return "\n".join(log.read_text(errors="replace")[-800:] for log in logs)

    def look(self) -> RayCluster | Missing:
        """What its GCS tells now."""
        return gcs.look(self.address, timeout=2.0)

    def alive(self) -> list[RayNode]:
        """The ALIVE rows; none while the GCS does not answer."""
        seen = self.look()
        return [] if isinstance(seen, Missing) else [n for n in seen.nodes if n.alive]

    def node_ports(self) -> dict[str, list[int]]:
        """Ports by IP, as the rows name them."""
        ports: dict[str, list[int]] = {ip: [] for ip, _ in self._nodes}
        for row in self.alive():
            named = (row.node_manager_port, row.object_manager_port, row.runtime_env_agent_port)
            ports[row.ip] = [p for p in named if p > 0]
        ports[self._nodes[0][0]].append(self.gcs_port)
        return ports

    def kill_raylet(self, ip: str) -> None:
        """Kill -9 the raylet of `ip`, as the kernel does when memory runs out."""
        group = self._processes[ip].pid
        for pid in _group_of(group):
            if b"raylet/raylet" in _command_line(pid):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Kill every process that was started, and remove the folder."""
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes.clear()
        if self._folder != Path():
            shutil.rmtree(self._folder, ignore_errors=True)


def _group_of(group: int) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    found = []
    for pid in pids:
        with suppress(ProcessLookupError):
            found += [pid] if os.getpgid(pid) == group else []
    return found


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
