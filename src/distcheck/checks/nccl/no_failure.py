"""NCCL004."""

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.nccl import Failure
from distcheck.checks.facts.nccl_cites import failure_cite
from distcheck.checks.facts.nccl_failures import Failures, rivals
from distcheck.checks.knowledge.nccl_failures import Beside, depth
from distcheck.checks.knowledge.nccl_remedies import FAILURES, cause_id, cause_of
from distcheck.checks.verdict import Verdict, failed, passed, unknown

_CITED = 4


@check("NCCL004", weight="supporting")
@with_causes(failures=FAILURES)
def no_failure(nccl: Failures) -> Verdict:
    """No NCCL failure in the logs.

    Proves:
        Every pod with GPUs writes NCCL lines, or its ranks' lines are in another pod's log,
        and none of them is a failure that ends a communicator. Warnings that NCCL survives
        do not count, nor do failures from before a process started again. It does not prove
        that NCCL works at this moment: a hang writes nothing.

    Causes:
        {failures}

    Remedy:
        The cited line is the first failure that does not follow from another one: mend that,
        and what follows goes away.
    """
    first = nccl.first
    if first is not None:
        return _fail(nccl, first)
    if not nccl.speakers:
        return unknown("the NCCL lines that are there are of processes that no longer run")
    return _pass(nccl)


def _fail(nccl: Failures, first: Failure) -> Verdict:
    also = rivals(nccl.failures, first)
    kinds = tuple({f.id: f for f in also}.values())
    unsure = (
        f"; no time tells whether {', '.join(f'{f.id} on {f.host}' for f in kinds[:3])} came first"
        if kinds
        else ""
    )
    also_seen = nccl.beside(first)
    cause = also_seen[0].cause if also_seen else cause_of(first)
    told = f"{first.says} ({cause_of(first).means}){_peer(nccl, first)}{_explained(also_seen)}"
    says = f"{_who(first)}: {told}{_more(nccl, first)}{unsure}"
    cites = (
        failure_cite(first),
        *(Cite(f"{b.host}: {b.says}", b.source) for b in also_seen),
        *(failure_cite(f) for f in kinds[:_CITED]),
    )
    subjects = dict.fromkeys(s for s in (first.host, _owner(nccl, first)) if s)
    return failed(says, cause_id(first.id), cites, subjects, cause.remedy)


def _explained(also_seen: tuple[Beside, ...]) -> str:
    return "".join(f"; {b.cause.short} on {b.host}" for b in also_seen)


def _who(first: Failure) -> str:
    where = f" on {first.host}" if first.host else ""
    if depth(first) < 2:
        return f"NCCL failed{where}"
    return f"NCCL failed{where}, which follows from a failure that no log shows"


def _peer(nccl: Failures, first: Failure) -> str:
    """Whom the failure names, and what that means for a connection that was not made."""
    named = nccl.peer(first)
    if named is None:
        return ""
    address, port, pod = named
    if pod is not None:
        hint = " (one of the ephemeral range, from which NCCL picks; NET001 tries one of them)"
        return f"; {address} port {port} is {pod}{hint if first.id == 'bootstrap-connect' else ''}"
    if first.id != "bootstrap-connect" or not nccl.owners:
        return ""
    return f"; {address} is no address of the group's pods: another interface, or an earlier pod"


def _owner(nccl: Failures, first: Failure) -> str | None:
    named = nccl.peer(first)
    return None if named is None or first.id != "bootstrap-connect" else named[2]


def _more(nccl: Failures, first: Failure) -> str:
    """What else failed, by process: a line may be in two logs."""
    every = {(f.id, f.host, f.pid) for f in nccl.failures if f.fatal}
    every.discard((first.id, first.host, first.pid))
    same = sum(name == first.id for name, _, _ in every)
    other = sorted({name for name, _, _ in every} - {first.id})
    alike = f"; the same in {same} more process{'es' * (same != 1)}" if same else ""
    return alike + (f"; also {', '.join(other[:_CITED])}" if other else "")


def _pass(nccl: Failures) -> Verdict:
    level = "" if nccl.info else " (warnings only are logged)"
    past = f"; {len(nccl.past)} from before a start" if nccl.past else ""
    pods = len(nccl.speakers)
    says = f"no failure in the NCCL lines of {pods} pod{'s' * (pods != 1)}{level}{past}"
    old = [Cite(f"past: {f.says}", f.source, f.stamp) for f in nccl.past[:_CITED]]
    older = [Cite(f"{m.host}: {m.says}", m.source) for m in nccl.left_out[:_CITED]]
    return passed(says, (*nccl.speakers[: _CITED * 2], *old, *older))
