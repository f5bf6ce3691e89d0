"""Processes and threads of one log, known by the heads of their messages."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from distcheck.agent.logs.nccl_channels import Counter
from distcheck.agent.logs.nccl_grammar import HEAD
from distcheck.checks.evidence.nccl import NcclProcess

MAX_PROCESSES = 4096
MAX_THREADS = 16_384
MAX_HEADS = 16_384


@dataclass(slots=True)
class Process:
    """One process; `busy` once it shows ranks or channels: then its start should be there."""

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
        )


@dataclass(slots=True)
class Thread:
    """One thread: the communicator that it is setting up, and its channel counters."""

    process: Process
    communicator: str | None = None
    counters: dict[object, Counter] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, int]:
        """Host and pid of its process."""
        return self.process.host, self.process.pid


class ProcessTable:
    """All processes of one log. `cite` gives `file:line` of the line being read."""

    def __init__(self, cite: Callable[[], str]) -> None:
        self._cite = cite
        self._processes: dict[tuple[str, int], Process] = {}
        self._threads: dict[tuple[str, int, str], Thread] = {}
        self._heads: dict[str, Thread | None] = {}
        self.left_out = 0

    def by_head(self, head: str) -> Thread | None:
        """The thread that `head`, the text before ` NCCL `, names; None where it names none."""
        if head not in self._heads:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            found = HEAD.search(head)
            self._heads[head] = None if found is None else self.at(found)
        return self._heads[head]

    def at(self, found: re.Match[str]) -> Thread | None:
        """The thread of a match with host, pid and tid; None where the table is full."""
        key = found["host"], int(found["pid"]), found["tid"]
        if key in self._threads:
            return self._threads[key]
        process = self._process(key[:2])
        if process is None or len(self._threads) >= MAX_THREADS:
            self.left_out += 1
            return None
        thread = self._threads[key] = Thread(process)
        return thread

    def _process(self, key: tuple[str, int]) -> Process | None:
        if key not in self._processes:
            if len(self._processes) >= MAX_PROCESSES:
                return None
            self._processes[key] = Process(*key, self._cite())
        return self._processes[key]

    def trusted(self) -> dict[tuple[str, int], Process]:
        """Processes that wrote more than one line: one alone may be two lines sheared."""
        return {k: p for k, p in self._processes.items() if p.lines > 1}

    @property
    def doubted(self) -> int:
        """Processes that a single line names."""
        return len(self._processes) - len(self.trusted())
