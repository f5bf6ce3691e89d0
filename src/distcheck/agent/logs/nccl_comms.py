"""Init, nNodes and Destroy lines, put together into communicators."""

import re

from msgspec import Struct, field

from distcheck.agent.logs.nccl_processes import ProcessKey
from distcheck.checks.evidence.nccl import Communicator, RankState, SeenRank

MAX_COMMUNICATORS = 1024
MAX_RANKS = 65_536
MAX_POINTERS = 65_536

Pointer = tuple[str, int, str]


class Where(Struct, frozen=True):
    """The process that wrote a line, and the line."""

    process: ProcessKey
    source: str
    stamp: str | None


class Seat(Struct):
    """What one process says of its rank in one communicator."""

    rank: int
    where: Where
    state: RankState
    pointer: str
    bus_id: str = ""
    device: int | None = None
    closed: bool = False
    aborted: bool = False

    def seen(self) -> SeenRank:
        """The rank as evidence."""
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
            aborted=self.aborted,
        )


class Comm(Struct):
    """One communicator; `ranks` holds the latest seat of each rank."""

    id: str
    nranks: int
    inferred: bool
    ranks: dict[int, Seat] = field(default_factory=dict)
    nodes: int | None = None
    mnnvl: bool = False
    lines: int = 0

    def seen(self, trusted: frozenset[ProcessKey]) -> Communicator:
        """The communicator as evidence, with the ranks of trusted processes."""
        seats = (self.ranks[r] for r in sorted(self.ranks))
        return Communicator(
            id=self.id,
            nranks=self.nranks,
            ranks=tuple(s.seen() for s in seats if s.where.process in trusted),
            nodes=self.nodes,
            mnnvl=self.mnnvl,
            inferred=self.inferred,
            lines=self.lines,
        )


class CommTable(Struct):
    """All communicators of one log.

    `pointers` is where each process keeps a communicator; `open` counts, for each process,
    those whose end has not been seen; `waiting` holds nNodes lines that came first; `numbers`
    where the search among communicators of one name ended, for each rank.
    """

    comms: dict[str, Comm] = field(default_factory=dict)
    pointers: dict[Pointer, tuple[str, int]] = field(default_factory=dict)
    waiting: dict[Pointer, tuple[int, bool]] = field(default_factory=dict)
    open: dict[ProcessKey, int] = field(default_factory=dict)
    numbers: dict[tuple[str, int], int] = field(default_factory=dict)
    ranks: int = 0
    left_out: int = 0

    def id_at(self, process: ProcessKey, pointer: str) -> str | None:
        """The id of the communicator at this address of this process."""
        held = self.pointers.get((*process, pointer))
        return None if held is None else held[0]

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
        self._sit(comm, found, where, rank)
        return comm.id, known is not None

    def _held(self, pointer: Pointer) -> tuple[Comm, Seat] | None:
        """The communicator at `pointer` and its seat there, unless another process took it."""
        held = self.pointers.get(pointer)
        if held is None:
            return None
        comm = self.comms[held[0]]
        seat = comm.ranks.get(held[1])
        same = seat is not None and (*seat.where.process, seat.pointer) == pointer
        return (comm, seat) if seat is not None and same else None

    def _known(self, pointer: Pointer, rank: int, nranks: int, state: str) -> Comm | None:
        held = self._held(pointer)
        if held is None or state == "START":
            return None
        comm, seat = held
        same = seat.rank == rank and comm.nranks == nranks and not seat.closed
        return comm if same else None

    def _comm(self, found: re.Match[str], where: Where, rank: int, nranks: int) -> Comm | None:
        name, inferred = self._name(found, where, rank, nranks)
        if name not in self.comms:
            if len(self.comms) >= MAX_COMMUNICATORS:
                return None
            self.comms[name] = Comm(name, nranks, inferred)
        comm = self.comms[name]
        return comm if comm.nranks == nranks else None

    def _name(self, found: re.Match[str], where: Where, rank: int, nranks: int) -> tuple[str, bool]:
        if found["id"]:
            return self._instance(str(found["id"]), (*where.process, found["ptr"]), rank), False
        parent = self.pointers.get((*where.process, found["parent"] or ""))
        if parent is not None and found["count"] and found["color"]:
            name = f"{parent[0]}/{found['count']}.{found['color']}"
            return name, self.comms[parent[0]].inferred
        return self._free(f"ranks-{nranks}", rank), True

    def _instance(self, name: str, pointer: Pointer, rank: int) -> str:
        """Until 2.22 two splits of one colour have the same id: the pointer tells them apart."""
        number = self.numbers.get((name, rank), 1)
        while (comm := self.comms.get(_numbered(name, number))) is not None and _other(
            comm.ranks.get(rank), pointer
        ):
            number += 1
        return self._at(name, rank, number, _numbered(name, number))

    def _free(self, stem: str, rank: int) -> str:
        number = self.numbers.get((stem, rank), 0)
        while (c := self.comms.get(f"{stem}#{number}")) is not None and rank in c.ranks:
            number += 1
        return self._at(stem, rank, number, f"{stem}#{number}")

    def _at(self, name: str, rank: int, number: int, found: str) -> str:
        """`found`; the next search for this rank begins where this one ended."""
        if len(self.numbers) < MAX_RANKS:
            self.numbers[name, rank] = number
        return found

    def _sit(self, comm: Comm, found: re.Match[str], where: Where, rank: int) -> None:
        pointer = (*where.process, found["ptr"])
        if rank not in comm.ranks and self.ranks >= MAX_RANKS:
            self.left_out += 1
            return
        self.ranks += rank not in comm.ranks
        state: RankState = "complete" if found["state"] == "COMPLETE" else "started"
        seat = Seat(rank, where, state, found["ptr"], found["bus"] or "", _number(found["nvml"]))
        old = comm.ranks.get(rank)
        if old is not None and old.where.process == where.process and old.state == "complete":
            seat.state = "complete" if old.pointer == seat.pointer else state
        self._opened(pointer)
        comm.ranks[rank] = seat
        comm.lines += 1
        if len(self.pointers) < MAX_POINTERS:
            self.pointers[pointer] = comm.id, rank
        self._place(comm, self.waiting.pop(pointer, None))

    def _opened(self, pointer: Pointer) -> None:
        """One more communicator of this process is open, unless this one is already."""
        held = self._held(pointer)
        if held is None or held[1].closed:
            self.open[pointer[:2]] = self.open.get(pointer[:2], 0) + 1

    def nodes(self, found: re.Match[str], process: ProcessKey) -> None:
        """Take an nNodes line; it may stand before the Init line of its communicator."""
        pointer = (*process, found["ptr"])
        seen = int(found["nodes"]), found["mnnvl"] not in (None, "0")
        held = self._held(pointer)
        if held is None or held[1].closed or held[0].nranks != int(found["nranks"]):
            if len(self.waiting) < MAX_POINTERS:
                self.waiting[pointer] = seen
            return
        held[0].lines += 1
        self._place(held[0], seen)

    @staticmethod
    def _place(comm: Comm, seen: tuple[int, bool] | None) -> None:
        if seen is None or seen[0] > comm.nranks:
            return
        comm.nodes = max(comm.nodes or 0, seen[0])
        comm.mnnvl = comm.mnnvl or seen[1]

    def closed(self, found: re.Match[str], process: ProcessKey, *, aborted: bool) -> None:
        """Take a Destroy or Abort line."""
        held = self._held((*process, found["ptr"]))
        if held is not None:
            self.open[process] = self.open.get(process, 0) - (not held[1].closed)
            held[1].closed = True
            held[1].aborted = aborted and held[1].state == "started"
            held[0].lines += 1

    def completed(self, name: str, rank: int, nranks: int, where: Where) -> None:
        """A rank of communicator `name` says in other words that it is complete."""
        comm = self.comms.get(name)
        seat = comm.ranks.get(rank) if comm is not None and comm.nranks == nranks else None
        if seat is not None and seat.where.process == where.process:
            seat.state, seat.where = "complete", where

    def forget(self, process: ProcessKey) -> None:
        """The process is another one now: its ranks and communicators are gone."""
        for pointer in [p for p in self.pointers if p[:2] == process]:
            del self.pointers[pointer]
        for comm in self.comms.values():
            for rank in [r for r, s in comm.ranks.items() if s.where.process == process]:
                del comm.ranks[rank]
                self.ranks -= 1
        self.open.pop(process, None)

    def all_closed(self, process: ProcessKey) -> bool:
        """This process had communicators, and the log shows the end of each."""
        return self.open.get(process) == 0

    def result(self, trusted: frozenset[ProcessKey]) -> tuple[Communicator, ...]:
        """The communicators that trusted processes name."""
        built = (c.seen(trusted) for c in self.comms.values())
        return tuple(c for c in built if c.ranks)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}#{number}"


def _other(seat: Seat | None, pointer: Pointer) -> bool:
    """Whether the seat is in use by another process, or at another address of this one."""
    if seat is None or seat.closed or seat.state == "started":
        return False
    return (*seat.where.process, seat.pointer) != pointer


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
