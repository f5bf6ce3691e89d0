"""What ranks of different nodes hold to each other: queue pairs, and TCP connections."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.checks.facts.rank_network import RankNetwork
from distcheck.checks.facts.rank_tcp import Moved, Pair, Tcp, tcp_between


class Link(Struct, frozen=True):
    """Two pods on different nodes: the queue pairs of their ranks, and `tcp` that may be theirs.

    `sure` is the part of it of which both ends are seen to be ranks.
    """

    one: str
    other: str
    queue_pairs: int
    tcp: Moved
    sure: Moved


def links_of(pods: Sequence[RankNetwork]) -> Iterator[Link]:
    """Every pair of pods on different nodes between which something was seen."""
    queue_pairs, tcp = _matched(pods), tcp_between(pods)
    for key in dict.fromkeys((*queue_pairs, *tcp)):
        found = tcp.get(key, Tcp())
        yield Link(*key, queue_pairs[key], found.all, found.sure)


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
