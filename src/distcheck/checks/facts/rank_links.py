"""What ranks of different nodes hold to each other: queue pairs, and TCP connections."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.checks.facts.rank_network import Ends, RankNetwork, carried, ends

DATA = 1 << 30
"""Bytes between the ranks of two pods that only tensors come to.

What ranks say to set up is kilobytes a connection, and a few MB for a thousand ranks.
"""
WORKING = 64 << 20
"""Bytes between two looks, some seconds apart, that only tensors come to."""
Pair = tuple[str, str]


class Link(Struct, frozen=True):
    """Two pods on different nodes: their ranks' queue pairs and TCP connections.

    `carried` are bytes since the connections began, `grown` since the look before, where
    there was one. `proven`: both ends of each connection that counts are seen to be a rank's.
    """

    one: str
    other: str
    queue_pairs: int = 0
    connections: int = 0
    carried: int = 0
    grown: int | None = None
    proven: bool = False

    @property
    def is_bulk(self) -> bool:
        """Whether more went over TCP than setting up takes."""
        return self.carried >= DATA or (self.grown or 0) >= WORKING


def links_of(pods: Sequence[RankNetwork]) -> Iterator[Link]:
    """Every pair of pods on different nodes between which something was seen."""
    queue_pairs, tcp = _matched(pods), _tcp(pods)
    for key in dict.fromkeys((*queue_pairs, *tcp)):
        found = tcp.get(key, _Tcp())
        yield Link(
            *key,
            queue_pairs=queue_pairs[key],
            connections=found.connections,
            carried=found.carried,
            grown=found.grown if found.compared else None,
            proven=found.proven,
        )


def _matched(pods: Sequence[RankNetwork]) -> Counter[Pair]:
    """Queue pairs of ranks that are each other's peers, by pair of pods.

    Numbers are a node's own: that both ends name each other is what tells them.
    """
    held: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    for at, one in enumerate(pods):
        for pair in one.connected:
            held[pair.local_qpn, pair.remote_qpn or 0].add(at)
    found: Counter[Pair] = Counter()
    for (local, remote), own in held.items():
        for at in own:
            for peer in held.get((remote, local), ()):
                if at < peer and pods[at].pod.node != pods[peer].pod.node:
                    found[pods[at].pod.name, pods[peer].pod.name] += 1
    return found


class _Tcp(Struct):
    connections: int = 0
    carried: int = 0
    grown: int = 0
    compared: bool = False
    proven: bool = False


def _tcp(pods: Sequence[RankNetwork]) -> dict[Pair, _Tcp]:
    """What the ranks of each pair of pods moved over TCP; each connection counts once."""
    homes: dict[str, set[int]] = defaultdict(set)
    for at, one in enumerate(pods):
        for address in one.addresses:
            homes[address].add(at)
    far = [{ends(f): f.pid for f in one.mine} for one in pods]
    found: dict[Pair, _Tcp] = {}
    told: set[Ends] = set()
    for at, one in enumerate(pods):
        for flow in one.mine:
            here = ends(flow)
            for peer in homes.get(flow.remote, ()):
                there = (*here[2:], *here[:2])
                if there in told or pods[peer].pod.node == one.pod.node:
                    continue
                told.add(here)
                low, high = sorted((at, peer))
                pair = found.setdefault((pods[low].pod.name, pods[high].pod.name), _Tcp())
                pair.connections += 1
                pair.carried += carried(flow)
                pair.compared |= one.seconds_apart
                pair.grown += _growth(one, here, carried(flow))
                pair.proven |= flow.pid > 0 and far[peer].get(there, 0) > 0
    return found


def _growth(one: RankNetwork, here: Ends, now: int) -> int:
    """Since the look before; a connection that was not there, or had carried more, is new."""
    if not one.seconds_apart:
        return 0
    last = one.before.get(here, 0)
    return now - last if last <= now else now
