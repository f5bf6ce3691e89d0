"""What two looks at one communicator prove: who stays behind, who is gone, who still starts."""

from collections.abc import Iterator

from distcheck.checks.facts.ras_view import Communicator, Named


def ahead(one: Communicator) -> dict[str, int]:
    """How often the ranks that are furthest called each collective."""
    top: dict[str, int] = {}
    for rank in _present(one):
        for name, times in rank.rank.counts.items():
            top[name] = max(top.get(name, 0), times)
    for name, spread in one.now.spread.items():
        top[name] = max((top.get(name, 0), *spread))
    return top


def behind(one: Communicator) -> tuple[Named, ...]:
    """Ranks that called a collective less often than others of the same communicator."""
    top = ahead(one)
    return tuple(
        r
        for r in _present(one)
        if r.rank.counts and any(r.rank.counts.get(n, times) < times for n, times in top.items())
    )


def is_uneven(one: Communicator) -> bool:
    """Whether its ranks called a collective differently often."""
    return bool(behind(one)) or any(len(s) > 1 for s in one.now.spread.values())


def stuck(one: Communicator) -> tuple[Named, ...]:
    """Ranks that were behind in the look before as well, and have called nothing since."""
    then = one.again
    if then is None:
        return ()
    counts = {r.rank: r.counts for r in then.ranks if not r.missing}
    late = behind(one)
    return tuple(r for r in late if counts.get(r.rank.rank) == r.rank.counts)


def stands(one: Communicator) -> bool:
    """Whether nothing at all has moved, though its ranks differ: text may not name them."""
    then = one.again
    return then is not None and bool(then.spread) and then.spread == one.now.spread


def gap(one: Communicator, rank: Named) -> str:
    """`AllReduce 39 of 40`: the first collective in which it stays behind."""
    told = (
        f"{name} {rank.rank.counts.get(name, times)} of {times}"
        for name, times in ahead(one).items()
        if rank.rank.counts.get(name, times) < times
    )
    return next(told, "")


def gone(one: Communicator, *, silent: bool) -> tuple[Named, ...]:
    """Ranks without data: those whose process is silent, or those that left it."""
    return tuple(
        r for r in one.ranks if r.rank.missing and not r.rank.dead and r.rank.silent == silent
    )


def gone_before(one: Communicator) -> frozenset[int]:
    """Ranks without data in the look before."""
    then = one.again
    return frozenset() if then is None else frozenset(r.rank for r in then.ranks if r.missing)


def starting(one: Communicator) -> tuple[Named, ...]:
    """Ranks that have not set this communicator up yet."""
    return tuple(r for r in one.ranks if r.rank.init == "in progress")


def started_before(one: Communicator) -> bool:
    """Whether it was there, as unfinished, in the look before."""
    then = one.again
    if then is None:
        return False
    return then.status == "INIT" or any(r.init == "in progress" for r in then.ranks)


def is_starting(one: Communicator) -> bool:
    """Whether any of its ranks still sets it up, named or not."""
    return bool(starting(one)) or one.now.status == "INIT"


def broken(one: Communicator) -> tuple[Named, ...]:
    """Ranks on which it failed or was aborted."""
    return tuple(
        r for r in one.ranks if r.rank.error or r.rank.aborted or r.rank.init not in ("", _STARTS)
    )


_STARTS = "in progress"


def _present(one: Communicator) -> Iterator[Named]:
    return (r for r in one.ranks if not r.rank.missing and not r.rank.leaving)
