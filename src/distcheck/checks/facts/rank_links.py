"""What ranks of different nodes hold to each other: queue pairs, and TCP connections."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.checks.facts.rank_network import RankNetwork
from distcheck.checks.facts.rank_tcp import Moved, Pair, Tcp, tcp_between

_Ends = tuple[tuple[str, int], tuple[str, int]]


class Link(Struct, frozen=True):
    """Two pods on different nodes: the queue pairs of their ranks, and `tcp` that may be theirs.

    `sure` is the part of it of which both ends are seen to be ranks; `holders` are the ranks
    that hold the queue pairs, as (pod, pid).
    """

    one: str
    other: str
    queue_pairs: int
    tcp: Moved
    sure: Moved
    holders: frozenset[tuple[str, int]] = frozenset()


class _Held(Struct, frozen=True):
    """The queue pairs of one pair of numbers: which pods have them, and which processes."""

    pods: set[int]
    pids: list[int]


def links_of(pods: Sequence[RankNetwork]) -> Iterator[Link]:
    """Every pair of pods on different nodes between which something was seen."""
    matched, tcp = _matched(pods), tcp_between(pods)
    for key in dict.fromkeys((*matched, *tcp)):
        found, held = tcp.get(key, Tcp()), matched.get(key, [])
        holders = frozenset(who for pair in held for who in pair)
        yield Link(*key, len(held), found.all, found.sure, holders)


def _matched(pods: Sequence[RankNetwork]) -> dict[Pair, list[_Ends]]:
    """The two ranks of each queue pair whose peer is one of another node, by pair of pods.

    Numbers are a node's own, and nodes that started alike have them alike: a queue pair that
    several pods may be the peer of, its own among them, proves nothing and is left out.
    """
    held: defaultdict[tuple[int, int], _Held] = defaultdict(lambda: _Held(set(), []))
    for at, one in enumerate(pods):
        for pair in one.connected:
            found = held[pair.local_qpn, pair.remote_qpn or 0]
            found.pods.add(at)
            found.pids.append(pair.pid)
    joined: defaultdict[Pair, list[_Ends]] = defaultdict(list)
    for (local, remote), own in held.items():
        there = held.get((remote, local))
        if there is None or len(own.pods) > 1 or len(there.pods) > 1:
            continue
        (low,), (high,) = own.pods, there.pods
        near, away = pods[low].pod, pods[high].pod
        if low < high and near.node != away.node:
            joined[near.name, away.name] += [
                ((near.name, here), (away.name, far))
                for here, far in zip(own.pids, there.pids, strict=False)
            ]
    return joined
