"""NCCL001."""

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.nccl import Communicator, SeenRank
from distcheck.checks.facts.nccl import Communicators
from distcheck.checks.facts.nccl_cites import failure_cite, rank_cite
from distcheck.checks.facts.nccl_coverage import gone
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import few
from distcheck.checks.knowledge.nccl_remedies import FAILURES, cause_id, cause_of
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown
from distcheck.checks.without_log import without_log

_CITED = 4


@check("NCCL001")
@with_causes(failures=FAILURES)
def ranks_initialised(nccl: Communicators | Missing, small: SmallGroup) -> Verdict:
    """Every rank initialised its communicators.

    Proves:
        Each rank of the group wrote that its communicators are complete: all ranks found
        each other, agreed on a topology and set up their channels. It does not prove which
        transport they use (NCCL002), nor that a later collective succeeds (NCCL004 tells of
        those that failed). A world of one rank has no communicator: then it does not apply.

    Causes:
        {failures}

    Remedy:
        Look at NCCL004 first, which cites the failure that does not follow from another one.
        Where ranks are missing, look at the pods that should run them, then at the
        reachability of the rendezvous address (NET001). Set NCCL_DEBUG=INFO to see
        more, and RAY_DEDUP_LOGS=0 where Ray folds lines.
    """
    if isinstance(nccl, Missing):
        return without_log(nccl, small.no_communicator, small.lone)
    if small.lone and not nccl.communicators and nccl.failure is None:
        return skipped(small.no_communicator, small.lone)
    steps = (_failure, _no_communicator, _waiting, _left, _short, _split, _few)
    found = (step(nccl) for step in steps)
    return next((verdict for verdict in found if verdict is not None), None) or _pass(nccl)


def _failure(nccl: Communicators) -> Verdict | None:
    """A failure is this check's only where it kept ranks from initialising."""
    first = nccl.failure
    if first is None:
        return None
    where = f" on {first.host}" if first.host else ""
    why = f"NCCL failed{where}: {cause_of(first).short} (NCCL004 has its line)"
    cites = (failure_cite(first), *_world_cites(nccl))
    subjects = (first.host,) if first.host else ()
    if nccl.live and not nccl.waiting:
        done = f"the {nccl.members} ranks that are seen completed their communicators"
        return unknown(
            f"{done}, and {why}: whether another one was being set up is not seen", cites
        )
    if not nccl.live and not nccl.info:
        return unknown(f"{why}; only warnings are logged, so no communicator is seen", cites)
    says = f"{_how_many(nccl)} did not initialise, because {why}"
    return failed(says, cause_id(first.id), cites, subjects)


def _how_many(nccl: Communicators) -> str:
    late = len({(r.host, r.pid, r.bus_id) for _, r in nccl.waiting})
    return f"{late} of {nccl.members} ranks that are seen" if late else "the ranks"


def _no_communicator(nccl: Communicators) -> Verdict | None:
    if nccl.live:
        return None
    if nccl.communicators:
        return unknown("every communicator in the logs has ended", _world_cites(nccl))
    hint = "no communicator yet" if nccl.info else "only warnings are logged; set NCCL_DEBUG=INFO"
    return unknown(f"the logs have NCCL lines and show no communicator: {hint}")


def _waiting(nccl: Communicators) -> Verdict | None:
    count = len(nccl.waiting)
    says = f"{counted(count, 'rank')} started and {several(count, 'is')} not complete yet"
    return _some(nccl, nccl.waiting, says)


def _left(nccl: Communicators) -> Verdict | None:
    """Some ranks ended a communicator that others still hold: it serves nobody any more."""
    says = f"{counted(len(nccl.left), 'rank')} ended a communicator in which others still are"
    return _some(nccl, nccl.left, says)


def _some(
    nccl: Communicators, ranks: tuple[tuple[Communicator, SeenRank], ...], says: str
) -> Verdict | None:
    if not ranks:
        return None
    names = ", ".join(f"rank {r.rank} on {r.host}" for _, r in ranks[:_CITED])
    cites = [rank_cite(r, c) for c, r in ranks[:_CITED]]
    return unknown(f"{says}: {names}{_folding(nccl)}", cites)


def _short(nccl: Communicators) -> Verdict | None:
    if not nccl.short:
        return None
    one = max(nccl.short, key=lambda c: c.nranks)
    says = f"{len(one.ranks)} of {one.nranks} ranks seen in logs, on {few(one.hosts)}"
    unseen = f"{says}; not seen: {gone(one)} of communicator {one.id}"
    return unknown(f"{unseen}{nccl.silent}{_folding(nccl)}", _world_cites(nccl))


def _split(nccl: Communicators) -> Verdict | None:
    """No communicator is as large as TP: not begun yet, or another world (SHARD002 tells)."""
    world = nccl.world
    if world is None or nccl.tp is None or world.nranks >= nccl.tp:
        return None
    says = f"the largest communicator has {counted(world.nranks, 'rank')}; TP asks for {nccl.tp}"
    return unknown(
        f"{says}: that one is not begun, or the group is split (SHARD002)", _world_cites(nccl)
    )


def _few(nccl: Communicators) -> Verdict | None:
    if nccl.expected is None or nccl.members >= nccl.expected:
        return None
    says = f"{nccl.members} of the {nccl.expected} ranks asked for are seen in logs"
    return unknown(f"{says}{nccl.silent}{_folding(nccl)}", _world_cites(nccl))


def _pass(nccl: Communicators) -> Verdict:
    world = nccl.world
    size, count = 0 if world is None else world.nranks, len(nccl.live)
    first = {r.host: rank_cite(r, c) for c in nccl.live for r in reversed(c.ranks)}
    hosts = sorted(first)
    who = f"all {nccl.members} ranks" if nccl.members != 1 else "the one rank"
    says = f"{who} completed {counted(count, 'communicator')}, the largest of {size}"
    return passed(f"{says}, on {few(hosts)}", [first[h] for h in hosts], hosts)


def _world_cites(nccl: Communicators) -> tuple[Cite, ...]:
    """The first rank of the world on each host."""
    world = nccl.world
    if world is None:
        return ()
    first = {r.host: r for r in reversed(world.ranks)}
    return tuple(rank_cite(first[h], world) for h in world.hosts[:_CITED])


def _folding(nccl: Communicators) -> str:
    return "; Ray folded lines away (set RAY_DEDUP_LOGS=0)" if nccl.folded else ""
