"""Channel lines, counted: most of a dense log becomes a handful of counters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from distcheck.agent.logs.nccl_grammar import CHANNEL, COLLNET, LOCAL_VIA, NET_VIA
from distcheck.checks.evidence.nccl import Channels, Communicator, Direction, Scope
from distcheck.checks.knowledge.communicators import world_of

MAX_COUNTERS = 16_384
MAX_VIAS = 16_384
_SAMPLE = 8
_MNNVL_PAIRS = 1024

Pair = tuple[int, int]
Process = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Via:
    """What follows ` via `: the transport without NIC numbers, and RCCL's communicator."""

    transport: str
    scope: Scope
    pointer: str | None


@dataclass(slots=True)
class Counter:
    """Lines of one thread, one direction and one transport, and for which communicator."""

    process: Process
    direction: Direction
    via: Via
    source: str
    communicator: str | None
    count: int = 0
    pairs: dict[Pair, int] = field(default_factory=dict)

    def add(self, pair: Pair, room: int) -> None:
        """Count one line; keep its pair of ranks while there is room."""
        self.count += 1
        if pair in self.pairs:
            self.pairs[pair] += 1
        elif len(self.pairs) < room:
            self.pairs[pair] = 1


def parse_via(text: str) -> Via | None:
    """The transport named after ` via `; None for a form that no version prints."""
    net = NET_VIA.match(text)
    if net is not None:
        return Via(f"{net['kind']}/{net['name']}{net['suffix']}", "inter_node", net["ptr"])
    local = LOCAL_VIA.match(text)
    return None if local is None else Via(local["path"], "intra_node", local["ptr"])


def parse_ends(text: str) -> tuple[Direction, Pair] | None:
    """Direction and `(own rank, other rank)` of the part before ` via `, or None."""
    found = CHANNEL.match(text)
    if found is not None:
        ends = int(found["source"]), int(found["target"])
        return ("receive", ends[::-1]) if found["direction"] == "receive" else ("send", ends)
    collnet = COLLNET.match(text)
    if collnet is None:
        return None
    own = int(collnet["own"])
    return ("receive" if collnet["direction"] == "receive" else "send"), (own, own)


class ChannelTable:
    """All counters of one log."""

    def __init__(self) -> None:
        self._vias: dict[str, Via | None] = {}
        self._all: list[Counter] = []
        self.left_out = 0

    def add(
        self,
        counters: dict[object, Counter],
        make: Callable[[], tuple[Process, str | None]],
        text: str,
        source: str,
    ) -> bool:
        """Count the message `text` among a thread's `counters`; False if it is no channel line."""
        left, _, right = text.partition(" via ")
        via, ends = self._via(right), parse_ends(left)
        if via is None or ends is None:
            return False
        counter = counters.get((ends[0], via))
        if counter is None:
            if len(self._all) >= MAX_COUNTERS:
                self.left_out += 1
                return True
            process, communicator = make()
            counter = Counter(process, ends[0], via, source, communicator)
            counters[(ends[0], via)] = counter
            self._all.append(counter)
        counter.add(ends[1], _MNNVL_PAIRS if "MNNVL" in via.transport else _SAMPLE)
        return True

    def _via(self, text: str) -> Via | None:
        if text not in self._vias:
            if len(self._vias) >= MAX_VIAS:
                self._vias.clear()
            self._vias[text] = parse_via(text)
        return self._vias[text]

    def result(
        self, resolve: Callable[[Counter], str], world: Mapping[str, Communicator]
    ) -> tuple[Channels, ...]:
        """Counters folded by process, direction, transport, scope and communicator."""
        folded: dict[object, Channels] = {}
        for counter in self._all:
            for one in _spread(counter, resolve(counter), world):
                key = (one.host, one.pid, one.direction, one.transport, one.scope, one.communicator)
                folded[key] = _joined(folded.get(key), one)
        return tuple(folded.values())


def _spread(
    counter: Counter, communicator: str, world: Mapping[str, Communicator]
) -> Iterator[Channels]:
    """The counter as evidence; `P2P/MNNVL` split by whether both ranks are on one host."""
    host, pid = counter.process
    whole = Channels(
        host=host,
        pid=pid,
        direction=counter.direction,
        transport=counter.via.transport,
        scope=counter.via.scope,
        count=counter.count,
        source=counter.source,
        communicator=communicator,
        peers=tuple(counter.pairs)[:_SAMPLE],
    )
    if "P2P/MNNVL" not in counter.via.transport:
        yield whole
        return
    near = near_ranks(world.get(communicator), host)
    own = {p: n for p, n in counter.pairs.items() if p[1] in near}
    far = {p: n for p, n in counter.pairs.items() if p[1] not in near}
    if own:
        yield _part(whole, "intra_node", own)
    if far:
        yield _part(whole, "inter_node", far)


def _part(whole: Channels, scope: Scope, pairs: Mapping[Pair, int]) -> Channels:
    return replace(whole, scope=scope, count=sum(pairs.values()), peers=tuple(pairs)[:_SAMPLE])


def owner(
    counter: Counter,
    communicators: Sequence[Communicator],
    id_at: Callable[[Process, str], str | None],
) -> str:
    """The communicator of a counter: its own, the only one of its process, or ''.

    Of P2P/MNNVL lines it is at least the largest one, which knows where the ranks are.
    """
    if counter.via.pointer is not None:
        return id_at(counter.process, counter.via.pointer) or ""
    if counter.communicator is not None:
        return counter.communicator
    held = (c for c in communicators if any((r.host, r.pid) == counter.process for r in c.ranks))
    mine = list(held)
    largest = world_of(mine) if "P2P/MNNVL" in counter.via.transport else None
    if largest is not None:
        return largest.id
    return mine[0].id if len(mine) == 1 else ""


def near_ranks(communicator: Communicator | None, host: str) -> frozenset[int]:
    """Ranks seen on `host`; a rank that this log does not show counts as elsewhere."""
    ranks = () if communicator is None else communicator.ranks
    return frozenset(r.rank for r in ranks if r.host == host)


def _joined(old: Channels | None, new: Channels) -> Channels:
    if old is None:
        return new
    peers = tuple(dict.fromkeys((*old.peers, *new.peers)))[:_SAMPLE]
    return replace(old, count=old.count + new.count, peers=peers)
