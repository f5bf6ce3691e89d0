"""Processes and threads of one log, known by the heads of their messages."""

import re

from msgspec import Struct, field

from distcheck.agent.logs.nccl_grammar import is_copy
from distcheck.checks.evidence.nccl import NcclProcess

MAX_PROCESSES = 4096
MAX_THREADS = 16_384

ProcessKey = tuple[str, int]
ThreadKey = tuple[str, int, str]
CounterKey = tuple[str, str, str]


class Process(Struct):
    """One process; `busy` once it shows ranks or channels: then its start should be there.

    `settled`: some communicator is complete. `again`: a second start of NCCL was seen, and not
    yet whether it is another library in the same process (PyTorch's beside pynccl's) or the
    same one in a new process of this pid. `copied`: Ray printed its first line once more.
    """

    host: str
    pid: int
    source: str
    lines: int = 0
    network: str | None = None
    provider: str | None = None
    rings: bool = False
    trees: bool = False
    bootstrapped: bool = False
    start_seen: bool = False
    busy: bool = False
    settled: bool = False
    pending: bool = False
    ras: str | None = None
    versions: list[str] = field(default_factory=list)
    again: bool = False
    copied: bool = False

    def seen(self) -> NcclProcess:
        """The process as evidence."""
        return NcclProcess(
            host=self.host,
            pid=self.pid,
            source=self.source,
            lines=self.lines,
            network=self.network,
            provider=self.provider,
            rings=self.rings,
            trees=self.trees,
            start_seen=self.start_seen,
            ras=self.ras,
            pending=self.pending,
            again=self.again,
            copied=self.copied,
        )

    def renewed(self) -> None:
        """The process is another one now, with the same pid."""
        self.network = self.provider = self.ras = None
        self.rings = self.trees = self.busy = self.settled = self.pending = False
        self.start_seen = True


class Thread(Struct):
    """One thread: the communicator that it is setting up, and its channel counters.

    `counters` maps (direction, transport, pointer) to a place in the channel table.
    """

    host: str
    pid: int
    tid: str
    communicator: str | None = None
    counters: dict[CounterKey, int] = field(default_factory=dict)

    @property
    def key(self) -> ProcessKey:
        """Host and pid of its process."""
        return self.host, self.pid

    @property
    def whole(self) -> ThreadKey:
        """Host, pid and thread id."""
        return self.host, self.pid, self.tid


class ProcessTable(Struct):
    """All processes of one log."""

    processes: dict[ProcessKey, Process] = field(default_factory=dict)
    threads: dict[ThreadKey, Thread] = field(default_factory=dict)
    left_out: int = 0

    def at(self, found: re.Match[str], source: str, line: str) -> Thread | None:
        """The thread of a match with host, pid and tid in `line`; None where the table is full."""
        key = found["host"], int(found["pid"]), found["tid"]
        if key in self.threads:
            return self.threads[key]
        if not self._has(key[:2], source, line) or len(self.threads) >= MAX_THREADS:
            self.left_out += 1
            return None
        thread = self.threads[key] = Thread(*key)
        return thread

    def of(self, thread: Thread) -> Process:
        """The process of a thread."""
        return self.processes[thread.key]

    def _has(self, key: ProcessKey, source: str, line: str) -> bool:
        if key not in self.processes:
            if len(self.processes) >= MAX_PROCESSES:
                return False
            copied = is_copy(line[: line.find(f"{key[0]}:{key[1]}:")])
            self.processes[key] = Process(*key, source, copied=copied)
        return True

    def trusted(self, *, whole: bool) -> dict[ProcessKey, Process]:
        """Processes that wrote more than one line: one alone may be two lines sheared.

        A log of warnings is not dense enough to be sheared: with `whole`, all of them.
        """
        return {k: p for k, p in self.processes.items() if whole or p.lines > 1}
