"""What two looks at one communicator prove: who stays behind, who is gone, who still starts."""

from distcheck.checks.facts.ras_view import Communicator, Named
from distcheck.checks.knowledge import ras_counts


def behind(one: Communicator) -> tuple[Named, ...]:
    """Ranks that called a collective less often than others of the same communicator."""
    late = ras_counts.behind(one.now)
    return tuple(r for r in one.ranks if r.rank.rank in late)


def is_uneven(one: Communicator) -> bool:
    """Whether its ranks called a collective differently often."""
    return bool(behind(one)) or any(len(s) > 1 for s in one.now.spread.values())


def uncounted(one: Communicator) -> bool:
    """Whether ranks that answer have no counts at all, in a form that tells each rank."""
    ranks = ras_counts.present(one.now.ranks)
    return not one.now.status and not one.now.spread and any(not r.counts for r in ranks)


def stuck(one: Communicator) -> tuple[Named, ...]:
    """Ranks that were behind in the look before as well, and have called nothing since."""
    then = one.again
    if then is None:
        return ()
    late = ras_counts.still(one.now, then) & ras_counts.behind(then)
    return tuple(r for r in one.ranks if r.rank.rank in late)


def fresh(one: Communicator) -> tuple[Named, ...]:
    """Ranks that fell behind since the look before, and have not moved since: a moment, or more."""
    then = one.again
    if then is None:
        return behind(one)
    late = ras_counts.still(one.now, then) - ras_counts.behind(then)
    return tuple(r for r in one.ranks if r.rank.rank in late)


def stands(one: Communicator) -> bool:
    """Whether nothing at all has moved, though its ranks differ: text may not name them."""
    then = one.again
    return then is not None and bool(then.spread) and then.spread == one.now.spread


def gap(one: Communicator, rank: Named) -> str:
    """`AllReduce 39 of 40`: the first collective in which it stays behind."""
    told = (
        f"{name} {rank.rank.counts.get(name, times)} of {times}"
        for name, times in ras_counts.furthest(one.now).items()
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


def leaving(one: Communicator) -> tuple[Named, ...]:
    """Ranks that tear it down, in both looks, while others of it do not."""
    then = one.again
    before = frozenset() if then is None else frozenset(r.rank for r in then.ranks if r.leaving)
    found = tuple(r for r in one.ranks if r.rank.leaving and r.rank.rank in before)
    return found if len(found) < len(one.ranks) else ()


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
