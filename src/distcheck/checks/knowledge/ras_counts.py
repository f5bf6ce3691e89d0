"""How often ranks of one communicator called each collective, beside each other."""

from collections.abc import Iterable

from distcheck.checks.evidence.ras import RasCommunicator, RasRank

Counts = dict[str, int]


def present(ranks: Iterable[RasRank]) -> tuple[RasRank, ...]:
    """Ranks that answer and stay."""
    return tuple(r for r in ranks if not r.missing and not r.leaving)


def furthest(one: RasCommunicator) -> Counts:
    """How often the ranks that are furthest called each collective."""
    top: Counts = {}
    for rank in present(one.ranks):
        for name, times in rank.counts.items():
            top[name] = max(top.get(name, 0), times)
    for name, spread in one.spread.items():
        top[name] = max((top.get(name, 0), *spread))
    return top


def behind(one: RasCommunicator) -> frozenset[int]:
    """Ranks that called a collective less often than others of the same communicator."""
    top = furthest(one)
    return frozenset(
        r.rank
        for r in present(one.ranks)
        if r.counts and any(r.counts.get(n, times) < times for n, times in top.items())
    )


def still(now: RasCommunicator, then: RasCommunicator) -> frozenset[int]:
    """Ranks that are behind now, and have called nothing since `then`."""
    counts = {r.rank: r.counts for r in then.ranks if not r.missing}
    late = behind(now)
    return frozenset(r.rank for r in now.ranks if r.rank in late and counts.get(r.rank) == r.counts)
