"""Init, nNodes and Destroy lines, put together into communicators."""

import re
from dataclasses import dataclass, field

from distcheck.checks.evidence.nccl import Communicator, RankState, SeenRank

MAX_COMMUNICATORS = 1024
MAX_RANKS = 65_536
MAX_POINTERS = 65_536

Process = tuple[str, int]
Pointer = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Where:
    """The process that wrote a line, and the line."""

    process: Process
    source: str
    stamp: str | None


@dataclass(slots=True)
class _Rank:
    rank: int
    where: Where
    state: RankState
    pointer: str
    bus_id: str = ""
    device: int | None = None
    closed: bool = False

    def seen(self) -> SeenRank:
        host, pid = self.where.process
        return SeenRank(
            rank=self.rank,
            host=host,
            pid=pid,
            state=self.state,
            source=self.where.source,
            bus_id=self.bus_id,
            device=self.device,
            stamp=self.where.stamp,
            closed=self.closed,
        )


@dataclass(slots=True)
class _Comm:
    id: str
    nranks: int
    inferred: bool
    ranks: dict[int, _Rank] = field(default_factory=dict)
    nodes: int | None = None
    mnnvl: bool = False
    lines: int = 0


class CommTable:
    """All communicators of one log."""

    def __init__(self) -> None:
        self._comms: dict[str, _Comm] = {}
        self._pointers: dict[Pointer, tuple[_Comm, _Rank]] = {}
        self._waiting: dict[Pointer, tuple[int, bool]] = {}
        self._ranks = 0
        self.left_out = 0

    def id_at(self, process: Process, pointer: str) -> str | None:
        """The id of the communicator at this address of this process."""
        held = self._pointers.get((*process, pointer))
        return None if held is None else held[0].id

    def init(self, found: re.Match[str], where: Where) -> tuple[str, bool] | None:
        """Take an Init line; its communicator's id and whether its START had been seen.

        None where the numbers contradict each other, or the table is full.
        """
        rank, nranks = int(found["rank"]), int(found["nranks"])
        if rank >= nranks or nranks > MAX_RANKS:
            return None
        pointer = (*where.process, found["ptr"])
        known = self._known(pointer, rank, nranks, found["state"])
        comm = known or self._comm(found, where, rank, nranks)
        if comm is None:
            self.left_out += 1
            return None
        self._seat(comm, found, where, rank)
        return comm.id, known is not None

    def _known(self, pointer: Pointer, rank: int, nranks: int, state: str) -> _Comm | None:
        held = self._pointers.get(pointer)
        if held is None or state == "START":
            return None
        comm, seat = held
        same = seat.rank == rank and comm.nranks == nranks and not seat.closed
        return comm if same else None

    def _comm(self, found: re.Match[str], where: Where, rank: int, nranks: int) -> _Comm | None:
        name, inferred = self._name(found, where, rank, nranks)
        if name not in self._comms:
            if len(self._comms) >= MAX_COMMUNICATORS:
                return None
            self._comms[name] = _Comm(name, nranks, inferred)
        comm = self._comms[name]
        return comm if comm.nranks == nranks else None

    def _name(self, found: re.Match[str], where: Where, rank: int, nranks: int) -> tuple[str, bool]:
        if found["id"]:
            return str(found["id"]), False
        parent = self._pointers.get((*where.process, found["parent"] or ""))
        if parent is not None and found["count"] and found["color"]:
            return f"{parent[0].id}/{found['count']}.{found['color']}", parent[0].inferred
        return self._free(f"ranks-{nranks}", rank), True

    def _free(self, stem: str, rank: int) -> str:
        number = 0
        while (c := self._comms.get(f"{stem}#{number}")) is not None and rank in c.ranks:
            number += 1
        return f"{stem}#{number}"

    def _seat(self, comm: _Comm, found: re.Match[str], where: Where, rank: int) -> None:
        pointer = (*where.process, found["ptr"])
        if rank not in comm.ranks and self._ranks >= MAX_RANKS:
            self.left_out += 1
            return
        self._ranks += rank not in comm.ranks
        state: RankState = "complete" if found["state"] == "COMPLETE" else "started"
        seat = _Rank(rank, where, state, found["ptr"], found["bus"] or "", _number(found["nvml"]))
        old = comm.ranks.get(rank)
        if old is not None and old.where.process == where.process and old.state == "complete":
            seat.state = "complete" if old.pointer == seat.pointer else state
        comm.ranks[rank] = seat
        comm.lines += 1
        if len(self._pointers) < MAX_POINTERS:
            self._pointers[pointer] = comm, seat
        self._place(comm, self._waiting.pop(pointer, None))

    def nodes(self, found: re.Match[str], process: Process) -> None:
        """Take an nNodes line; it may stand before the Init line of its communicator."""
        pointer = (*process, found["ptr"])
        seen = int(found["nodes"]), found["mnnvl"] not in (None, "0")
        held = self._pointers.get(pointer)
        if held is None or held[1].closed or held[0].nranks != int(found["nranks"]):
            if len(self._waiting) < MAX_POINTERS:
                self._waiting[pointer] = seen
            return
        held[0].lines += 1
        self._place(held[0], seen)

    @staticmethod
    def _place(comm: _Comm, seen: tuple[int, bool] | None) -> None:
        if seen is None or seen[0] > comm.nranks:
            return
        comm.nodes = max(comm.nodes or 0, seen[0])
        comm.mnnvl = comm.mnnvl or seen[1]

    def closed(self, found: re.Match[str], process: Process) -> None:
        """Take a Destroy or Abort line."""
        held = self._pointers.get((*process, found["ptr"]))
        if held is not None:
            held[1].closed = True
            held[0].lines += 1

    def all_closed(self, process: Process) -> bool:
        """This process had communicators, and the log shows the end of each."""
        seats = [s for (h, p, _), (_, s) in self._pointers.items() if (h, p) == process]
        return bool(seats) and all(s.closed for s in seats)

    def result(self, trusted: frozenset[Process]) -> tuple[Communicator, ...]:
        """The communicators that trusted processes name."""
        built = (self._built(c, trusted) for c in self._comms.values())
        return tuple(c for c in built if c.ranks)

    @staticmethod
    def _built(comm: _Comm, trusted: frozenset[Process]) -> Communicator:
        seats = (comm.ranks[r] for r in sorted(comm.ranks))
        return Communicator(
            id=comm.id,
            nranks=comm.nranks,
            ranks=tuple(s.seen() for s in seats if s.where.process in trusted),
            nodes=comm.nodes,
            mnnvl=comm.mnnvl,
            inferred=comm.inferred,
            lines=comm.lines,
        )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
