"""Processes of the node: whose they are, what they call themselves, what they were started with."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from distcheck.agent.redact import allowed_environ, is_wanted, redacted
from distcheck.checks.evidence import Process

_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f-_]{27}|[0-9a-f]{32})")
_CONTAINER = re.compile(r"([0-9a-f]{64})")
_MONITOR = "crio-conmon-"
_BOOT = re.compile(r"^btime (\d{1,12})$", re.MULTILINE)
_MAX_FILE = 256 * 1024
_TITLES = ("VLLM::", "ray::", "sglang::")


class Task(Struct, frozen=True):
    """A process with the pod and container that its cgroup names; `argv` is not redacted."""

    pid: int
    ppid: int
    argv: tuple[str, ...]
    pod_uid: str
    container_id: str
    started_at: str | None

    @property
    def title(self) -> str:
        """What the process calls itself, or the name of its program.

        Only the first word: a title may be a whole command line, with its secrets.
        """
        first = self.argv[0].split(maxsplit=1)[0] if self.argv and self.argv[0].strip() else ""
        return first if first.startswith(_TITLES) else first.rpartition("/")[2]

    @property
    def is_sandbox(self) -> bool:
        """The process that holds the pod's namespaces; its mounts are no container's."""
        return self.title == "pause"

    @property
    def is_rank(self) -> bool:
        """A worker of an engine, by its title."""
        return self.title.startswith(("VLLM::Worker", "ray::RayWorker", "sglang::scheduler"))

    @property
    def matters(self) -> bool:
        """A titled process, or one whose command line this project reads."""
        return self.title.startswith(_TITLES) or is_wanted(self.argv)

    def shown(self) -> Process:
        """As evidence: the title, and a redacted command line where it is one of ours."""
        argv = redacted(self.argv) if is_wanted(self.argv) else ()
        return Process(self.pid, self.title, self.ppid, argv, self.started_at)


class Proc:
    """A `/proc`, the node's own or a folder of the same form."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)

    def tasks(self) -> Iterator[Task]:
        """Every process that a pod's cgroup holds; those that end meanwhile are left out.

        Raises:
            OSError: the folder itself cannot be read.
        """
        boot = self._boot_time()
        for name in sorted(p.name for p in self.root.iterdir() if p.name.isdecimal()):
            task = self._task(int(name), boot)
            if task is not None:
                yield task

    def _task(self, pid: int, boot: float) -> Task | None:
        try:
            uid, container = pod_of(self._read(pid, "cgroup"))
            if not uid:
                return None
            argv = self._read(pid, "cmdline").rstrip("\0").split("\0")
            ppid, started = stat_of(self._read(pid, "stat"), boot)
        except OSError:
            return None
        return Task(pid, ppid, tuple(a for a in argv if a), uid, container, started)

    def environ(self, pid: int) -> dict[str, str]:
        """The allow-listed part of a process's environment.

        Raises:
            OSError: it may not be read, or the process is gone.
        """
        pairs = (v.partition("=") for v in self._read(pid, "environ").split("\0"))
        return allowed_environ((name, value) for name, _, value in pairs)

    def _read(self, pid: int, name: str) -> str:
        with (self.root / str(pid) / name).open("rb") as file:
            return file.read(_MAX_FILE).decode("utf-8", "replace")

    def _boot_time(self) -> float:
        """Seconds since 1970 at which the node started; 0 where `/proc/stat` does not say it."""
        found = _BOOT.search((self.root / "stat").read_text())
        return float(found[1]) if found else 0.0


def pod_of(cgroup: str) -> tuple[str, str]:
    """(pod uid, container id) that `/proc/PID/cgroup` names; empty where it names none.

    Shapes of the systemd and cgroupfs drivers, v1 and v2, containerd, CRI-O and kind; the
    systemd driver writes the uid with underscores (kubelet, cgroup_manager_linux.go). CRI-O's
    monitor of a container may be in the pod's cgroup, but it is a process of the node.
    """
    for line in cgroup.splitlines():
        path = line.split(":", 2)[-1]
        found = list(_POD.finditer(path))
        if found and _MONITOR not in path:
            container = _CONTAINER.search(path, found[-1].end())
            return found[-1][1].replace("_", "-"), container[1] if container else ""
    return "", ""


def stat_of(stat: str, boot: float) -> tuple[int, str | None]:
    """(parent, RFC 3339 start) from `/proc/PID/stat`; field 22 counts ticks since boot."""
    fields = stat.rpartition(")")[2].split()
    try:
        ppid, ticks = int(fields[1]), int(fields[19])
    except (IndexError, ValueError):
        return 0, None
    try:
        moment = datetime.fromtimestamp(boot + ticks / os.sysconf("SC_CLK_TCK"), UTC)
    except (OverflowError, ValueError, OSError):
        return ppid, None
    return ppid, f"{moment:%Y-%m-%dT%H:%M:%SZ}" if boot else None
