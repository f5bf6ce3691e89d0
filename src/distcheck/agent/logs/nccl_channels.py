"""Channel lines, counted: most of a dense log becomes a handful of counters."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from distcheck.agent.logs.nccl_grammar import CHANNEL, COLLNET, LOCAL_VIA, NET_VIA
from distcheck.agent.logs.nccl_processes import ProcessKey, Thread
from distcheck.checks.evidence.nccl import MOST_PEERS, Channels, Communicator, Direction, Scope
from distcheck.checks.knowledge.communicators import world_of

MAX_COUNTERS = 16_384
_MNNVL_PAIRS = 1024

Pair = tuple[int, int]


class Via(Struct, frozen=True):
    """What follows ` via `: the transport without NIC numbers, and RCCL's communicator."""

    transport: str
    scope: Scope
    pointer: str | None

    @property
    def is_between_nodes(self) -> bool:
        """Over a network, and not for send and receive, which NCCL never says are connected."""
        return self.transport.startswith("NET/") and "/Shared" not in self.transport


class Link(Struct, frozen=True):
    """One channel line without its number: direction, `(own rank, other rank)`, transport."""

    direction: Direction
    pair: Pair
    via: Via


class Counter(Struct):
    """Lines of one thread, one direction and one transport, and for which communicator."""

    process: ProcessKey
    direction: Direction
    via: Via
    line: int
    communicator: str | None
    late: bool = False
    count: int = 0
    pairs: dict[Pair, int] = field(default_factory=dict)

    def add(self, pair: Pair, times: int) -> None:
        """Count lines; keep their pair of ranks while there is room."""
        self.count += times
        room = _MNNVL_PAIRS if "MNNVL" in self.via.transport else MOST_PEERS
        if pair in self.pairs:
            self.pairs[pair] += times
        elif len(self.pairs) < room:
            self.pairs[pair] = times


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


def parse_link(message: str) -> Link | None:
    """A whole channel message, `Channel 00/0 : 1[1] -> 8[0] [send] via NET/IB/0`; else None."""
    left, _, right = message.partition(" via ")
    ends, via = parse_ends(left), parse_via(right)
    return None if ends is None or via is None else Link(*ends, via)


class ChannelTable(Struct):
    """All counters of one log."""

    counters: list[Counter] = field(default_factory=list)
    left_out: int = 0

    def add(self, thread: Thread, link: Link, line: int, times: int = 1, *, settled: bool) -> bool:
        """Count lines of `thread`, of which `line` is the first; False where the table is full.

        `settled`: its process has a communicator that is complete.
        """
        key = link.direction, link.via.transport, link.via.pointer or ""
        place = thread.counters.get(key)
        if place is None:
            if len(self.counters) >= MAX_COUNTERS:
                self.left_out += times
                return False
            place = thread.counters[key] = len(self.counters)
            of, late = thread.communicator, settled and thread.communicator is None
            new = Counter(thread.key, link.direction, link.via, line, of, late)
            self.counters.append(new)
        counter = self.counters[place]
        counter.line = min(counter.line, line)
        counter.add(link.pair, times)
        return True

    def forget(self, process: ProcessKey) -> None:
        """The process is another one now: what it connected is gone."""
        for counter in self.counters:
            if counter.process == process:
                counter.count, counter.pairs = 0, {}

    def belong(self, thread: Thread, communicator: str) -> None:
        """The counters of `thread` that have no communicator yet are of this one."""
        for place in thread.counters.values():
            counter = self.counters[place]
            counter.communicator = counter.communicator or communicator
            counter.late = False

    def result(
        self,
        resolve: Callable[[Counter], str],
        world: Mapping[str, Communicator],
        name: str = "",
    ) -> tuple[Channels, ...]:
        """Counters folded by process, direction, transport, scope and communicator.

        `name` is that of the file whose lines they are.
        """
        folded: dict[object, Channels] = {}
        counted = sorted((c for c in self.counters if c.count), key=lambda c: c.line)
        for counter in counted:
            for one in _spread(name, counter, resolve(counter), world):
                key = (one.host, one.pid, one.direction, one.transport, one.scope)
                whole = (*key, one.communicator, one.late)
                folded[whole] = _joined(folded.get(whole), one)
        return tuple(folded.values())


def _spread(
    name: str, counter: Counter, communicator: str, world: Mapping[str, Communicator]
) -> Iterator[Channels]:
    """The counter as evidence; `P2P/MNNVL` split by whether both ranks are on one host.

    Where no line tells where ranks are, nothing shows that it leaves the host.
    """
    host, pid = counter.process
    whole = Channels(
        host=host,
        pid=pid,
        direction=counter.direction,
        transport=counter.via.transport,
        scope=counter.via.scope,
        count=counter.count,
        source=f"{name}:{counter.line}",
        communicator=communicator,
        peers=tuple(counter.pairs)[:MOST_PEERS],
        late=counter.late,
    )
    known = world.get(communicator)
    if "P2P/MNNVL" not in counter.via.transport or known is None:
        yield whole
        return
    near = near_ranks(known, host)
    own = {p: n for p, n in counter.pairs.items() if p[1] in near}
    far = {p: n for p, n in counter.pairs.items() if p[1] not in near}
    if own:
        yield _part(whole, "intra_node", own)
    if far:
        yield _part(whole, "inter_node", far)


def _part(whole: Channels, scope: Scope, pairs: Mapping[Pair, int]) -> Channels:
    return replace(whole, scope=scope, count=sum(pairs.values()), peers=tuple(pairs)[:MOST_PEERS])


Held = tuple[Communicator, frozenset[int]]


def held_by_process(every: Sequence[Communicator]) -> dict[ProcessKey, list[Held]]:
    """For each process its communicators, and the ranks that it holds in each."""
    held: dict[ProcessKey, list[Held]] = {}
    for one in every:
        own: dict[ProcessKey, set[int]] = {}
        for rank in one.ranks:
            own.setdefault((rank.host, rank.pid), set()).add(rank.rank)
        for process, ranks in own.items():
            held.setdefault(process, []).append((one, frozenset(ranks)))
    return held


def owner(
    counter: Counter, held: Sequence[Held], id_at: Callable[[ProcessKey, str], str | None]
) -> str:
    """The communicator of a counter: its own, the only one that it can be, or ''.

    Channels that are connected at the first collective do not name their communicator. It
    is one in which this process holds the rank that they name. Of P2P/MNNVL lines it is at
    least the largest one, which knows where the ranks are.
    """
    if counter.via.pointer is not None:
        return id_at(counter.process, counter.via.pointer) or ""
    if counter.communicator is not None:
        return counter.communicator
    mine = [c for c, ranks in held if _fits(counter, c, ranks)]
    largest = world_of(mine) if "P2P/MNNVL" in counter.via.transport else None
    if largest is not None:
        return largest.id
    return mine[0].id if len(mine) == 1 else ""


def _fits(counter: Counter, one: Communicator, ranks: frozenset[int]) -> bool:
    return all(own in ranks and other < one.nranks for own, other in counter.pairs)


def near_ranks(communicator: Communicator, host: str) -> frozenset[int]:
    """Ranks seen on `host`; a rank that this log does not show counts as elsewhere."""
    return frozenset(r.rank for r in communicator.ranks if r.host == host)


def _joined(old: Channels | None, new: Channels) -> Channels:
    if old is None:
        return new
    peers = tuple(dict.fromkeys((*old.peers, *new.peers)))[:MOST_PEERS]
    return replace(old, count=old.count + new.count, peers=peers)
