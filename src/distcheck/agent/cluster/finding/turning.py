"""Changes of a workload that its pods do not show yet: what runs is not what was asked for.

A workload's controller tells in `status.observedGeneration` which change it has acted on
(Kubernetes API conventions); until then the pods that run are of before.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.family_lws import GROUP_INDEX
from distcheck.agent.cluster.finding.labelled import whole_number
from distcheck.agent.cluster.finding.members import LWS_NAME, RAY_CLUSTER, is_alive, labels_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner, Roster, name_of, owner_of
from distcheck.agent.cluster.kinds import LWS, RAYCLUSTER, RAYSERVICE, STATEFULSET
from distcheck.agent.cluster.troubles.pod_state import status_of
from distcheck.checks.evidence import Rollout
from distcheck.checks.facts.age import seconds

_LWS_REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"
_TEMPLATE = "pod-template-hash"
_STS_REVISION = "controller-revision-hash"
_RAY_SERVICE = "ray.io/originated-from-cr-name"
_STUCK_S = 60
"""A pod that is there so long after its grace period ended is stuck, and no part of a rollout."""
_MOST = 4
Pods = list[Object]


def rollouts_of(look: Namespace, roster: Roster) -> tuple[Rollout, ...]:
    """The rollouts that the group's workloads are in; a note for each that was not told yet."""
    found = {r.workload: r for r in reversed([*_changes(look, roster), *_ending(roster)])}
    for one in reversed(found.values()):
        if not any(note.startswith(one.says.partition(":")[0]) for note in look.notes):
            look.note(one.says)
    return tuple(reversed(found.values()))


def _changes(look: Namespace, roster: Roster) -> Iterator[Rollout]:
    labels = labels_of(next(iter(roster.pods), {"metadata": {}}))
    if LWS_NAME in labels:
        yield from _lws(look, roster, labels)
    elif RAY_CLUSTER in labels:
        yield from _ray(look, roster, labels[RAY_CLUSTER])
    else:
        yield from _plain(look, roster)


def _plain(look: Namespace, roster: Roster) -> Iterator[Rollout]:
    mine: dict[Owner, Pods] = defaultdict(list)
    for pod in roster.pods:
        if owner := owner_of(pod):
            mine[owner].append(pod)
    for owner, pods in mine.items():
        step = _STEPS.get(owner.kind)
        workload = look.seen(owner.kind, owner.name) if step else None
        if step is not None and workload is not None:
            yield from _behind(owner, workload, pods)
            yield from step(look, owner, workload, pods)


def _behind(owner: Owner, workload: Object, pods: Iterable[Object]) -> Iterator[Rollout]:
    """Where the controller has not acted on the last change: no pod shows it."""
    asked = workload["metadata"].get("generation")
    acted = status_of(workload).get("observedGeneration")
    if type(asked) is int and type(acted) is int and acted < asked:
        yield _rollout(owner, "its controller has not acted on the last change yet", pods)


def _deployment(look: Namespace, owner: Owner, workload: Object, pods: Pods) -> Iterator[Rollout]:
    """As `kubectl rollout status` counts; only pods of one template are of the group."""
    status, spec = status_of(workload), workload.get("spec") or {}
    updated, wanted = (whole_number(n) or 0 for n in (status.get("updatedReplicas"),
                                                     spec.get("replicas", 1)))  # fmt: skip
    if "observedGeneration" in status and updated < wanted:
        paused = " (it is paused)" if spec.get("paused") else ""
        yield _rollout(owner, f"{updated} of {wanted} pods are of its new template{paused}")
    templates = {labels_of(p).get(_TEMPLATE) for p in pods}
    others = [p for p in look.pods() if is_alive(p) and owner_of(p) == owner]
    others = [p for p in others if labels_of(p).get(_TEMPLATE) not in templates]
    if others:
        yield _rollout(owner, f"{_names(others)} of another template and still there")


def _statefulset(_look: Namespace, owner: Owner, workload: Object, pods: Pods) -> Iterator[Rollout]:
    newest = status_of(workload).get("updateRevision")
    strategy = (workload.get("spec") or {}).get("updateStrategy") or {}
    partition = whole_number((strategy.get("rollingUpdate") or {}).get("partition")) or 0
    old = [p for p in pods if _is_old(p, _STS_REVISION, newest) and _ordinal(p) >= partition]
    if old:
        by_hand = strategy.get("type") == "OnDelete"
        how = " (OnDelete: it stays until somebody deletes it)" if by_hand else ""
        yield _rollout(owner, f"{_names(old)} of an older revision{how}", old)


def _is_old(pod: Object, label: str, newest: object) -> bool:
    revision = labels_of(pod).get(label)
    return bool(newest and revision and revision != newest)


def _ordinal(pod: Object) -> int:
    return whole_number(name_of(pod).rpartition("-")[2]) or 0


def _lws(look: Namespace, roster: Roster, labels: dict[str, str]) -> Iterator[Rollout]:
    """The leaders' StatefulSet, named as the set is, carries the newest revision (lws)."""
    owner = Owner(LWS.kind, labels[LWS_NAME])
    found = look.seek(LWS, owner.name)
    if found is None:
        return
    yield from _behind(owner, found, roster.pods)
    rolling = ((found.get("spec") or {}).get("rolloutStrategy") or {}).get(
        "rollingUpdateConfiguration"
    ) or {}
    kept_below = whole_number(rolling.get("partition")) or 0
    if (whole_number(labels.get(GROUP_INDEX)) or 0) < kept_below:
        return
    leaders = look.seek(STATEFULSET, owner.name)
    newest = labels_of(leaders).get(_LWS_REVISION) if leaders else None
    old = [p for p in roster.pods if _is_old(p, _LWS_REVISION, newest)]
    if old:
        yield _rollout(owner, f"{_names(old)} of an older revision", old)
    others = [p for p in roster.dead if is_alive(p)]
    if others:
        yield _rollout(owner, f"{_names(others)} of another revision and still there")


def _ray(look: Namespace, roster: Roster, cluster: str) -> Iterator[Rollout]:
    """A RayService changes by a second cluster; KubeRay lets pods of a RayCluster be."""
    found = look.seen(RAYCLUSTER.kind, cluster)
    if found is None:
        return
    yield from _behind(Owner(RAYCLUSTER.kind, cluster), found, roster.pods)
    if labels_of(found).get("ray.io/originated-from-crd") != RAYSERVICE.kind:
        return
    owner = Owner(RAYSERVICE.kind, labels_of(found).get(_RAY_SERVICE, ""))
    service = look.seek(RAYSERVICE, owner.name)
    if service is None:
        return
    yield from _behind(owner, service, roster.pods)
    pending = (status_of(service).get("pendingServiceStatus") or {}).get("rayClusterName")
    if pending and pending != cluster:
        yield _rollout(owner, f"raycluster/{pending} is to take over from {cluster}", roster.pods)


def _ending(roster: Roster) -> Iterator[Rollout]:
    """Pods that are being deleted still hold their GPUs, and their places in Ray."""
    now = seconds(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")) or 0
    ending: dict[Owner, Pods] = defaultdict(list)
    for pod in roster.dead:
        ends = seconds(pod["metadata"].get("deletionTimestamp"))
        done = status_of(pod).get("phase") in ("Succeeded", "Failed")
        if (owner := owner_of(pod)) and ends is not None and not done and now - ends < _STUCK_S:
            ending[owner].append(pod)
    for owner, pods in ending.items():
        yield _rollout(owner, f"{_names(pods)} being deleted and not gone yet")


def _rollout(owner: Owner, why: str, pods: Iterable[Object] = ()) -> Rollout:
    says = f"a rollout of {owner} runs: {why}"
    return Rollout(str(owner), says, tuple(name_of(p) for p in pods))


def _names(pods: Pods) -> str:
    """`a and b are`, for a sentence to go on."""
    names = [name_of(p) for p in pods]
    more = [f"{len(names) - _MOST} more"] if len(names) > _MOST else []
    return f"{', '.join([*names[:_MOST], *more])} {'is' if len(names) == 1 else 'are'}"


_STEPS: dict[str, Callable[[Namespace, Owner, Object, Pods], Iterator[Rollout]]] = {
    "Deployment": _deployment,
    "StatefulSet": _statefulset,
}
