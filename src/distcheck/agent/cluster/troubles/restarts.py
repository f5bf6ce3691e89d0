"""Pods that were restarted behind the back of what was seen of them."""

from collections.abc import Iterable, Iterator

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.members import is_alive
from distcheck.agent.cluster.finding.roster import Roster, name_of
from distcheck.agent.cluster.kinds import POD
from distcheck.agent.cluster.podspec import as_pod, engine_container
from distcheck.agent.cluster.troubles.pod_state import condition, containers_of
from distcheck.checks.evidence import Pod, Trouble


def restarted_behind(roster: Roster) -> Iterator[Trouble]:
    """Members that were started again after the leader had become ready.

    Only where a probe makes the leader ready: it is so when the world is complete, and a
    member that is started again later has left that world.
    """
    leader = roster.leader
    if leader is None or not engine_container(leader).get("readinessProbe"):
        return
    ready = condition(leader, "Ready")
    since = str(ready.get("lastTransitionTime") or "")
    if ready.get("status") != "True" or not since:
        return
    for pod in (p for p in roster.pods if p is not leader):
        started = _started_again(pod)
        if started > since:
            says = f"it was started again at {started}; {name_of(leader)} is ready since {since}"
            yield Trouble(name_of(pod), "pod_restarted", says, f"status of {name_of(pod)}", started)


def _started_again(pod: Object) -> str:
    engine = engine_container(pod).get("name")
    states = (s for s in containers_of(pod) if s.name == engine and s.restarts and s.running)
    return max((str(s.running.get("startedAt") or "") for s in states), default="")


def restarted_since(api: Api, pods: Iterable[Pod], selector: str = "") -> tuple[Trouble, ...]:
    """Pods of the group that were restarted, replaced or deleted since they were read.

    One call: what was gathered of such a pod may be of its life before. Empty where the pods
    cannot be listed again.
    """
    pods = tuple(pods)
    query = [("labelSelector", selector)] if selector else []
    try:
        every = [p for n in {p.namespace for p in pods} for p in api.items(POD.path(n), query)]
    except ClusterError:
        return ()
    now = {p["metadata"]["name"]: p for p in every if is_alive(p)}
    return tuple(t for p in pods if p.phase == "Running" and (t := _changed(p, now.get(p.name))))


def _changed(before: Pod, raw: Object | None) -> Trouble | None:
    source = f"status of {before.name}, read again at the end"
    if raw is None:
        return Trouble(
            before.name, "pod_missing", "it went away while evidence was gathered", source
        )
    after = as_pod(raw, before.role)
    if (after.uid, after.restarts) == (before.uid, before.restarts):
        return None
    what = "replaced" if after.uid != before.uid else "started again"
    says = f"it was {what} while evidence was gathered: what was seen may be of its life before"
    return Trouble(before.name, "pod_restarted", says, source, after.started_at)
