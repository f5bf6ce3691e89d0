"""Processes of the node: whose they are, what they call themselves, what they were started with."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, structs

from distcheck.agent.patient import Patient
from distcheck.agent.proc_text import container_of, ns_pids_of, pod_of, pods_around, stat_of
from distcheck.agent.redact import allowed_environ, is_wanted, redacted
from distcheck.checks.evidence import Process
from distcheck.checks.evidence.gpu import Owner

T = TypeVar("T")

_VISIBLE = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
_BOOT = re.compile(r"^btime (\d{1,12})$", re.MULTILINE)
_MAX_FILE = 256 * 1024
_PATIENCE = 0.5
"""Seconds for what one process tells of itself."""
TITLES = ("VLLM::", "ray::", "sglang::")


class Task(Struct, frozen=True):
    """A process with the pod and container that its cgroup names; `argv` is not redacted.

    `stuck`: the kernel did not let its command line be read in time.
    """

    pid: int
    ppid: int
    argv: tuple[str, ...]
    pod_uid: str
    container_id: str
    started_at: str | None
    stuck: bool = False

    @property
    def title(self) -> str:
        """What the process calls itself, or the name of its program.

        Only the first word: a title may be a whole command line, with its secrets.
        """
        first = self.argv[0].split(maxsplit=1)[0] if self.argv and self.argv[0].strip() else ""
        return first if first.startswith(TITLES) else first.rpartition("/")[2]

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
        return self.title.startswith(TITLES) or is_wanted(self.argv)

    def shown(self) -> Process:
        """As evidence: the title, and a redacted command line where it is one of ours."""
        argv = redacted(self.argv) if is_wanted(self.argv) else ()
        return Process(self.pid, self.title, self.ppid, argv, self.started_at)


class Proc:
    """A `/proc`, the node's own or a folder of the same form."""

    def __init__(self, root: str, patience: float = _PATIENCE) -> None:
        self.root = Path(root)
        self._patient = Patient[tuple[bytes, ...]](patience)
        self._within = self._or_empty("self", "cgroup", pods_around)

    def tasks(self) -> Iterator[Task]:
        """Every process that a pod's cgroup holds; those that end meanwhile are left out.

        Cgroups are read first, as they never block. One process whose command line does
        is `stuck`, and hides no other one.

        Raises:
            OSError: the folder itself cannot be read.
        """
        boot = self._boot_time()
        names = sorted(p.name for p in self.root.iterdir() if p.name.isdecimal())
        homes = {int(n): home for n in names if (home := self.home(int(n)))[0]}
        for pid, told in self._patient.read({p: uid for p, (uid, _) in homes.items()}, self._told):
            uid, container = homes[pid]
            if told is None:
                yield Task(pid, 0, (), uid, container, None, stuck=True)
            elif told:
                argv = told[0].decode("utf-8", "replace").rstrip("\0").split("\0")
                ppid, started = stat_of(told[1].decode("utf-8", "replace"), boot)
                yield Task(pid, ppid, tuple(a for a in argv if a), uid, container, started)

    def home(self, pid: int) -> tuple[str, str]:
        """(pod uid, container id) of a process; empty where it has none, or has ended."""
        try:
            return pod_of(self._read(pid, "cgroup"), self._within)
        except OSError:
            return "", ""

    def container(self, pid: int) -> str:
        """The name of the container that `pid` is in; empty where its mounts do not tell it."""
        return self._or_empty(pid, "mountinfo", container_of)

    def pids_of(self, uid: str) -> list[int]:
        """Every process in the cgroup of that pod, now.

        Raises:
            OSError: the folder itself cannot be read.
        """
        pids = sorted(int(p.name) for p in self.root.iterdir() if p.name.isdecimal())
        return [pid for pid in pids if self.home(pid)[0] == uid]

    def _told(self, pid: int) -> tuple[bytes, ...]:
        """`cmdline` and `stat`; nothing of a process that has ended."""
        try:
            return tuple(self._bytes(pid, name) for name in ("cmdline", "stat"))
        except OSError:
            return ()

    def environ(self, pid: int) -> dict[str, str]:
        """The allow-listed part of a process's environment.

        Raises:
            OSError: it may not be read, or the process is gone.
        """
        pairs = (v.partition("=") for v in self._read(pid, "environ").split("\0"))
        return allowed_environ((name, value) for name, _, value in pairs)

    def described(self, task: Task) -> Process:
        """`task` as evidence, with what else its folder tells; what cannot be read stays empty."""
        return structs.replace(
            task.shown(),
            ns_pids=self._or_empty(task.pid, "status", ns_pids_of),
            container_id=task.container_id,
            container=self._or_empty(task.pid, "mountinfo", container_of),
            visible=self._visible(task.pid),
        )

    def folder(self, pid: int) -> str | None:
        """The working folder of a process, as its container names it; None where unknown.

        It is never followed, so it may say anything.
        """
        try:
            found = str((self.root / str(pid) / "cwd").readlink())
        except OSError:
            return None
        return found if found.startswith("/") and found.isprintable() else None

    def owner(self, pid: int) -> Owner:
        """Whose the process `pid` is that no pod of this node was found to hold."""
        try:
            return "pod" if pod_of(self._read(pid, "cgroup"), self._within)[0] else "node"
        except OSError:
            return "unseen"

    def _or_empty(self, pid: int | str, name: str, read: Callable[[str], T]) -> T:
        try:
            return read(self._read(pid, name))
        except OSError:
            return read("")

    def _visible(self, pid: int) -> dict[str, str]:
        try:
            environ = self.environ(pid)
        except OSError:
            return {}
        return {name: environ[name] for name in _VISIBLE if name in environ}

    def _read(self, pid: int | str, name: str) -> str:
        return self._bytes(pid, name).decode("utf-8", "replace")

    def _bytes(self, pid: int | str, name: str) -> bytes:
        with (self.root / str(pid) / name).open("rb") as file:
            return file.read(_MAX_FILE)

    def _boot_time(self) -> float:
        """Seconds since 1970 at which the node started; 0 where `/proc/stat` does not say it."""
        found = _BOOT.search((self.root / "stat").read_text())
        return float(found[1]) if found else 0.0
