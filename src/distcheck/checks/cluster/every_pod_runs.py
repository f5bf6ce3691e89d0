"""GROUP001."""

from collections.abc import Sequence

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Trouble
from distcheck.checks.facts.group_members import GroupMembers
from distcheck.checks.verdict import Verdict, failed, passed, unknown, warned

_ONLY_TIME = ("waiting_for_head", "starting")
_WARNED = ("pod_restarted",)
_NAMED = 4


@check("GROUP001", weight="supporting")
def every_pod_runs(group: GroupMembers) -> Verdict:
    """Every pod of the serving group is there and runs.

    Proves:
        The API server showed as many pods as the group's owners ask for, all of them Running,
        with no container that waits or has ended. It does not prove that the engine inside
        works, nor that a node is alive: its pods stay Running for some minutes after it was
        lost.

    Causes:
        pod_missing: a pod that the group's owner asks for does not exist; quota, admission
            and the owner's own rules are in its events
        pod_unschedulable: the scheduler finds no node for it: too few free GPUs, a node
            selector, an untolerated taint or a scheduling gate
        volume_not_bound: a claim is not bound, cannot be mounted on this node, or is on
            another node already because it is not ReadWriteMany
        image_not_pulled: its image cannot be pulled
        config_missing: a Secret, a ConfigMap or a key of one that it names is not there
        model_refused: the model may not be downloaded: no token, a wrong one, or a licence
            that was not accepted
        waiting_for_head: it waits for the group's leader, by the rules of its operator
        out_of_memory: its container was killed because it used more memory than its limit
        crash_loop: its container ends again and again
        container_not_started: the container runtime cannot start its container
        sandbox_failed: the node cannot make the pod's network or sandbox
        admission_refused: the node refused it: a device that is gone, or too few resources
        evicted: the node or a pod of higher priority drove it out
        node_lost: its node no longer reports it
        terminating: it is being deleted, and nothing has replaced it
        pod_failed: it has ended for another reason
        starting: it is being scheduled, pulled or created, and nothing has failed yet
        not_ready: it runs, and its readiness probe has not passed yet
        pod_restarted: it was started again after the rest of the group, in the ten minutes
            before it was looked at, or while evidence was gathered

    Remedy:
        Start with the pod that is named first: `kubectl describe pod` shows its events. A pod
        without a node needs free GPUs of the kind that it asks for, and a claim that nodes
        can share. A crash loop shows its reason in `kubectl logs --previous`. Where a
        worker waits for its head, mend the head. After a restart of one worker restart the
        whole group: the ranks of the others still wait for the one that is gone.
    """
    for causes, tell in ((_failing(group), failed), (_only(group, _WARNED), warned)):
        if causes:
            return tell(_says(group, causes), causes[0].cause, _cites(group, causes), _pods(causes))
    waits = _only(group, _ONLY_TIME)
    if waits:
        return unknown(_says(group, waits), _cites(group, waits), waits[0].cause)
    return _as_it_runs(group)


def _as_it_runs(group: GroupMembers) -> Verdict:
    idle = [p.name for p in group.pods if p.phase != "Running"]
    if idle or len(group.pods) < group.wanted:
        says = f"{len(group.running)} of {group.wanted} pods run, and nothing says why"
        return unknown(says, group.cites)
    unready = [p.name for p in group.unready]
    if unready:
        says = f"all {len(group.pods)} pods run, and {_list(unready)} is not ready yet"
        return warned(says, "not_ready", group.cites, unready)
    says = f"{_counted(len(group.pods))} running and ready{_restarts(group)}"
    return passed(says, group.cites, _names(group))


def _restarts(group: GroupMembers) -> str:
    """Restarts of long ago prove nothing against a pod, and are no secret."""
    again = [f"{p.name} ({p.restarts})" for p in group.pods if p.restarts]
    return f"; earlier restarts: {_list(again)}" if again else ""


def _failing(group: GroupMembers) -> list[Trouble]:
    """What time alone does not mend, roots first: a pod that waits for another is no root."""
    found = [t for t in group.troubles if t.cause not in (*_ONLY_TIME, *_WARNED)]
    waiting = [t for t in group.troubles if t.cause in _ONLY_TIME]
    return [*found, *waiting] if found else []


def _only(group: GroupMembers, causes: Sequence[str]) -> list[Trouble]:
    return [t for t in group.troubles if t.cause in causes]


def _says(group: GroupMembers, troubles: Sequence[Trouble]) -> str:
    said = _list([f"{t.pod}: {t.says}" for t in troubles], "; ")
    hurt = {t.pod for t in troubles if t.cause not in _WARNED}
    healthy = sum(p.name not in hurt for p in group.running)
    return f"{healthy} of {group.wanted} pods run: {said}"


def _list(parts: Sequence[str], between: str = ", ") -> str:
    more = f"{between}and {len(parts) - _NAMED} more" if len(parts) > _NAMED else ""
    return between.join(parts[:_NAMED]) + more


def _counted(pods: int) -> str:
    return "the pod of the group is" if pods == 1 else f"all {pods} pods of the group are"


def _cites(group: GroupMembers, troubles: Sequence[Trouble]) -> tuple[Cite, ...]:
    return (*(Cite(f"{t.pod}: {t.says}", t.source, t.seen_at) for t in troubles), *group.cites)


def _pods(troubles: Sequence[Trouble]) -> list[str]:
    return list(dict.fromkeys(t.pod for t in troubles))


def _names(group: GroupMembers) -> list[str]:
    return [p.name for p in group.pods]
