"""What the ranks of pods on different nodes moved over TCP, as both ends have it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from distcheck.checks.facts.rank_network import Ends, RankNetwork, carried, ends

DATA = 1 << 30
"""Bytes between the ranks of two pods that only tensors come to.

What ranks say to set up is kilobytes a connection, and a few MB for a thousand ranks.
"""
WORKING = 64 << 20
"""Bytes between two looks, some seconds apart, that only tensors come to."""
Pair = tuple[str, str]


class Moved(Struct, frozen=True):
    """Connections, their bytes since they began, and since the look before where there was one."""

    connections: int = 0
    carried: int = 0
    grown: int | None = None

    @property
    def is_bulk(self) -> bool:
        """Whether it is more than setting up takes."""
        return self.carried >= DATA or (self.grown or 0) >= WORKING

    def __add__(self, more: "Moved") -> "Moved":
        """Both together."""
        grown = [g for g in (self.grown, more.grown) if g is not None]
        return Moved(
            self.connections + more.connections,
            self.carried + more.carried,
            sum(grown) if grown else None,
        )


class Tcp(Struct, frozen=True):
    """Between two pods: `all` that may be ranks', and of it what is seen to be at both ends."""

    all: Moved = Moved()
    sure: Moved = Moved()


class _Conversation(Struct, frozen=True):
    at: int
    peer: int
    moved: Moved
    sure: bool


def tcp_between(pods: Sequence[RankNetwork]) -> dict[Pair, Tcp]:
    """By pair of pods, in their order; each connection counts once."""
    found: dict[Pair, Tcp] = defaultdict(Tcp)
    for one in _conversations(pods):
        low, high = sorted((one.at, one.peer))
        key = pods[low].pod.name, pods[high].pod.name
        before = found[key]
        sure = before.sure + one.moved if one.sure else before.sure
        found[key] = structs.replace(before, all=before.all + one.moved, sure=sure)
    return found


def _conversations(pods: Sequence[RankNetwork]) -> Iterator[_Conversation]:
    """Those of ranks with pods of other nodes, but for what another process holds there.

    An engine hands out prompts, and Ray moves objects: to a rank, but not from one.
    """
    homes: dict[str, set[int]] = defaultdict(set)
    for at, one in enumerate(pods):
        for address in one.addresses:
            homes[address].add(at)
    told: set[Ends] = set()
    for at, one in enumerate(pods):
        for flow in one.mine:
            here = ends(flow)
            there = (*here[2:], *here[:2])
            for peer in homes.get(flow.remote, ()):
                far = pods[peer]
                owner = far.owners.get(there, 0)
                theirs = owner in far.ranks
                if there in told or far.pod.node == one.pod.node or (owner and not theirs):
                    continue
                told.add(here)
                grown = _growth(one, here, carried(flow))
                yield _Conversation(
                    at, peer, Moved(1, carried(flow), grown), flow.pid > 0 and theirs
                )


def _growth(one: RankNetwork, here: Ends, now: int) -> int | None:
    """Since the look before; a connection that was not there, or had carried more, is new."""
    if not one.seconds_apart:
        return None
    last = one.before.get(here, 0)
    return now - last if last <= now else now
