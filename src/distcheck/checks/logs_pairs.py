"""Who talks over what: pairs of hosts, and the ranks that differ from the rest."""

from collections import Counter
from collections.abc import Callable, Iterable

from msgspec import Struct

from distcheck.checks.evidence.nccl import Channels, Direction, NcclLog
from distcheck.checks.knowledge import networks
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.rank_ranges import Ranges, ranges
from distcheck.checks.logs_gdr import both_ways, end_of

MAX_PAIRS = 4096
_MAX_ODD = 64


class HostPair(Struct, frozen=True):
    """Traffic from one host to another, as the channel lines of both ends plan it.

    A host is None where its ranks' logs are not here. `transports` counts pairs of ranks, of
    a sample: at most 8 for each process, direction and transport. `gdr`: every channel seen
    uses GPUDirect RDMA; `gdr_send` and `gdr_receive` are the two ends of it. None: no network
    channel of that end is seen. `source` is the first line of the pair.
    """

    from_host: str | None
    to_host: str | None
    transports: dict[str, int]
    gdr: bool | None
    gdr_send: bool | None
    gdr_receive: bool | None
    source: str


class OddChannels(Struct, frozen=True):
    """Ranks of one host with a transport that is not the one of most channels.

    `ranks` are those of the largest communicator where it has the process, else its own.
    `partly`: these processes have channels with and without GPUDirect RDMA in one direction.
    """

    host: str
    ranks: Ranges
    transport: str
    directions: tuple[Direction, ...]
    source: str
    partly: bool = False


class _End(Struct, frozen=True):
    direction: Direction
    transport: str
    ranks: tuple[str, int, int]
    source: str


def leaving(log: NcclLog) -> tuple[Channels, ...]:
    """Channels between hosts, point to point: CollNet has no peer."""
    found = (c for c in log.channels if c.scope == "inter_node")
    return tuple(c for c in found if not c.transport.startswith("COLLNET/"))


def host_pairs(log: NcclLog) -> tuple[HostPair, ...]:
    """Every pair of hosts that a channel line shows, by name; at most `MAX_PAIRS`."""
    home = _homes(log)
    ends: dict[tuple[str | None, str | None], list[_End]] = {}
    for one in leaving(log):
        for own, other in one.peers:
            there, known = home(one, other)
            if not known:
                continue
            sends = one.direction == "send"
            key = (one.host, there) if sends else (there, one.host)
            pair = (own, other) if sends else (other, own)
            end = _End(one.direction, one.transport, (one.communicator, *pair), one.source)
            ends.setdefault(key, []).append(end)
    named = sorted(ends, key=lambda k: (k[0] or "\x7f", k[1] or "\x7f"))
    return tuple(_pair(*key, ends[key]) for key in named[:MAX_PAIRS])


def _homes(log: NcclLog) -> Callable[[Channels, int], tuple[str | None, bool]]:
    """The host of a rank that a channel names, and whether it is clear which rank is meant."""
    hosts = {c.id: {r.rank: r.host for r in c.ranks} for c in log.communicators}
    held: dict[tuple[str, int], list[str]] = {}
    for one in log.communicators:
        for process in {(r.host, r.pid) for r in one.ranks}:
            held.setdefault(process, []).append(one.id)

    def home(channels: Channels, rank: int) -> tuple[str | None, bool]:
        process = (channels.host, channels.pid)
        ids = [channels.communicator] if channels.communicator else held.get(process, [])
        found = {hosts.get(i, {}).get(rank) for i in ids}
        return (found.pop(), True) if len(found) == 1 else (None, False)

    return home


def _pair(source: str | None, target: str | None, ends: list[_End]) -> HostPair:
    counts = Counter(transport for transport, _ in {(e.transport, e.ranks) for e in ends})
    sent = _gdr(e for e in ends if e.direction == "send")
    received = _gdr(e for e in ends if e.direction == "receive")
    return HostPair(
        from_host=source,
        to_host=target,
        transports=dict(sorted(counts.items())),
        gdr=_gdr(ends),
        gdr_send=sent,
        gdr_receive=received,
        source=ends[0].source,
    )


def _gdr(ends: Iterable[_End]) -> bool | None:
    used = {e.transport for e in ends if e.transport.startswith("NET/")}
    return all(map(networks.is_gdr, used)) if used else None


def odd_channels(log: NcclLog, pairs: Iterable[HostPair]) -> tuple[OddChannels, ...]:
    """Who uses another transport than most pairs of hosts do, by host; at most 64."""
    used = Counter(transport for pair in pairs for transport in pair.transports)
    for one in leaving(log):
        used[one.transport] += 0
    usual = min(used, key=lambda t: (-used[t], not networks.is_gdr(t), t), default=None)
    found: dict[tuple[str, str, bool], list[Channels]] = {}
    both = both_ways(log)
    for one in leaving(log):
        key = (one.host, one.transport, end_of(one) in both)
        if one.transport != usual:
            found.setdefault(key, []).append(one)
    named = _world_ranks(log)
    return tuple(_odd(*key, found[key], named) for key in sorted(found)[:_MAX_ODD])


def _world_ranks(log: NcclLog) -> dict[tuple[str, int], int]:
    """The rank of each process in the largest communicator, where it holds one only."""
    world = world_of(log.communicators)
    ranks = () if world is None else world.ranks
    held = Counter((r.host, r.pid) for r in ranks)
    return {(r.host, r.pid): r.rank for r in ranks if held[r.host, r.pid] == 1}


def _odd(
    host: str,
    transport: str,
    partly: bool,
    same: list[Channels],
    named: dict[tuple[str, int], int],
) -> OddChannels:
    own = (named.get((host, c.pid), rank) for c in same for rank, _ in c.peers)
    directions = tuple(sorted({c.direction for c in same}))
    return OddChannels(host, ranges(own), transport, directions, same[0].source, partly)
