"""Pods that were restarted behind the back of what was seen of them."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.family_ray import leads_ray
from distcheck.agent.cluster.finding.members import is_alive
from distcheck.agent.cluster.finding.roster import Roster, name_of
from distcheck.agent.cluster.kinds import POD
from distcheck.agent.cluster.podspec import as_pod, engine_container
from distcheck.agent.cluster.troubles.pod_state import ContainerState, condition, containers_of
from distcheck.agent.cluster.troubles.reasons import short
from distcheck.checks.evidence import Pod, Trouble
from distcheck.checks.facts.age import is_lately


def restarted_behind(roster: Roster) -> Iterator[Trouble]:
    """Members that were started again after the leader had become ready.

    Only where a probe makes the leader ready: it is so when the world is complete, and a
    member that is started again later has left that world. A RayCluster's head is ready when
    its raylet and GCS are (kuberay `common/pod.go`), before any engine: that says nothing.
    """
    leader = roster.leader
    if leader is None or leads_ray(leader) or not engine_container(leader).get("readinessProbe"):
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


def restarted_lately(roster: Roster, known: Iterable[Trouble], now: str = "") -> Iterator[Trouble]:
    """Members that run, and whose engine ended in the last ten minutes, with how it ended.

    Such a pod may end again: that it runs now proves little. `known` is what was told already.
    """
    told = {t.pod for t in known}
    for pod in (p for p in roster.ordered if name_of(p) not in told):
        state = _engine_state(pod)
        end = state.before if state is not None and state.restarts and state.running else {}
        at = str(end.get("finishedAt") or "")
        if state is not None and is_lately(at, now or datetime.now(UTC).isoformat()):
            reason = short(str(end.get("reason") or "no reason given"))
            how = f"with exit code {end.get('exitCode')} ({reason})"
            says = (f"container {state.name} ended {how} at {at} and was started again, "
                    f"{state.restarts} restarts so far")  # fmt: skip
            source = f"last state of container {state.name} of {name_of(pod)}"
            yield Trouble(name_of(pod), "pod_restarted", says, source, at)


def _engine_state(pod: Object) -> ContainerState | None:
    engine = engine_container(pod).get("name")
    return next((s for s in containers_of(pod) if s.name == engine), None)


def restarted_since(
    api: Api,
    pods: Iterable[Pod],
    selector: str = "",
    note: Callable[[str], object] = lambda _says: None,
) -> tuple[Trouble, ...]:
    """Pods of the group that were restarted, replaced or deleted since they were read.

    One call: what was gathered of such a pod may be of its life before. Empty, with a `note`,
    where the pods cannot be listed again.
    """
    pods = tuple(pods)
    query = [("labelSelector", selector)] if selector else []
    try:
        every = [p for n in {p.namespace for p in pods} for p in api.items(POD.path(n), query)]
    except ClusterError as error:
        note(f"whether a pod was started again meanwhile is not known: {short(str(error))}")
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
