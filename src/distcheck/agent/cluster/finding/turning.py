"""Changes of a workload that its pods do not show yet: what runs is not what was asked for.

A workload's controller tells in `status.observedGeneration` which change it has acted on
(Kubernetes API conventions); until then the pods that run are of before.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.changes import ago, behind, is_old, names, rollout
from distcheck.agent.cluster.finding.labelled import whole_number
from distcheck.agent.cluster.finding.lws_changes import lws_changes
from distcheck.agent.cluster.finding.members import LWS_NAME, RAY_CLUSTER, is_alive, labels_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner, Roster, name_of, owner_of
from distcheck.agent.cluster.finding.workloads import wanted
from distcheck.agent.cluster.kinds import RAYCLUSTER, RAYSERVICE, STATEFULSET
from distcheck.agent.cluster.troubles.pod_state import status_of
from distcheck.checks.evidence import Rollout

_TEMPLATE = "pod-template-hash"
_STS_REVISION = "controller-revision-hash"
_RAY_SERVICE = "ray.io/originated-from-cr-name"
_STUCK_S = 60
"""A pod that is there so long after its grace period ended is stuck, and no part of a rollout."""
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
        yield from lws_changes(look, roster, labels)
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
            yield from behind(owner, workload, pods)
            yield from step(look, owner, workload, pods)
            yield from _never_made(look, roster, owner, workload)


def _never_made(
    look: Namespace, roster: Roster, owner: Owner, workload: Object
) -> Iterator[Rollout]:
    """Replicas that nobody has made yet; those that the group itself lacks are told as absent."""
    if owner.kind != STATEFULSET.kind:
        return
    asked = wanted(owner.kind, workload)
    there = sum(is_alive(p) and owner_of(p) == owner for p in look.pods())
    if there + sum(a.owner == owner for a in roster.absent) < asked:
        yield rollout(owner, f"{there} of {asked} pods are there")


def _deployment(look: Namespace, owner: Owner, workload: Object, pods: Pods) -> Iterator[Rollout]:
    """As `kubectl rollout status` counts; only pods of one template are of the group."""
    status, spec = status_of(workload), workload.get("spec") or {}
    updated, asked = (whole_number(n) or 0 for n in (status.get("updatedReplicas"),
                                                    spec.get("replicas", 1)))  # fmt: skip
    if "observedGeneration" in status and updated < asked:
        paused = " (it is paused)" if spec.get("paused") else ""
        yield rollout(owner, f"{updated} of {asked} pods are of its new template{paused}")
    templates = {labels_of(p).get(_TEMPLATE) for p in pods}
    others = [p for p in look.pods() if is_alive(p) and owner_of(p) == owner]
    others = [p for p in others if labels_of(p).get(_TEMPLATE) not in templates]
    if others:
        yield rollout(owner, f"{names(others)} of another template and still there")


def _statefulset(_look: Namespace, owner: Owner, workload: Object, pods: Pods) -> Iterator[Rollout]:
    newest = status_of(workload).get("updateRevision")
    strategy = (workload.get("spec") or {}).get("updateStrategy") or {}
    partition = whole_number((strategy.get("rollingUpdate") or {}).get("partition")) or 0
    old = [p for p in pods if is_old(p, _STS_REVISION, newest) and _ordinal(p) >= partition]
    if old:
        by_hand = strategy.get("type") == "OnDelete"
        how = " (OnDelete: it stays until somebody deletes it)" if by_hand else ""
        yield rollout(owner, f"{names(old)} of an older revision{how}", old)


def _ordinal(pod: Object) -> int:
    return whole_number(name_of(pod).rpartition("-")[2]) or 0


def _ray(look: Namespace, roster: Roster, cluster: str) -> Iterator[Rollout]:
    """A RayService changes by a second cluster; KubeRay lets pods of a RayCluster be."""
    found = look.seen(RAYCLUSTER.kind, cluster)
    if found is None:
        return
    yield from behind(Owner(RAYCLUSTER.kind, cluster), found, roster.pods)
    if labels_of(found).get("ray.io/originated-from-crd") != RAYSERVICE.kind:
        return
    owner = Owner(RAYSERVICE.kind, labels_of(found).get(_RAY_SERVICE, ""))
    service = look.seek(RAYSERVICE, owner.name)
    if service is None:
        return
    yield from behind(owner, service, roster.pods)
    pending = (status_of(service).get("pendingServiceStatus") or {}).get("rayClusterName")
    if pending and pending != cluster:
        yield rollout(owner, f"raycluster/{pending} is to take over from {cluster}", roster.pods)


def _ending(roster: Roster) -> Iterator[Rollout]:
    """Pods that are being deleted still hold their GPUs, and their places in Ray."""
    ending: dict[Owner, Pods] = defaultdict(list)
    for pod in roster.dead:
        over = ago(pod["metadata"].get("deletionTimestamp"))
        done = status_of(pod).get("phase") in ("Succeeded", "Failed")
        if (owner := owner_of(pod)) and over is not None and not done and over < _STUCK_S:
            ending[owner].append(pod)
    for owner, pods in ending.items():
        yield rollout(owner, f"{names(pods)} being deleted and not gone yet")


_STEPS: dict[str, Callable[[Namespace, Owner, Object, Pods], Iterator[Rollout]]] = {
    "Deployment": _deployment,
    "StatefulSet": _statefulset,
}
