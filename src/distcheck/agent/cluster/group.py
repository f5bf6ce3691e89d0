"""The serving group of a TARGET: every pod that serves the same copy of a model."""

from collections.abc import Callable, Iterable

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.intent import declared_intent
from distcheck.agent.cluster.members import (
    LWS_NAME,
    RAY_CLUSTER,
    equalities,
    labelled,
    living,
)
from distcheck.agent.cluster.podspec import as_pod
from distcheck.agent.cluster.target import resolve
from distcheck.agent.cluster.ties import Ties, choices, dangling, read_ties, tied
from distcheck.checks.evidence import Intent, Pod, Target

_LWS_GROUP = (LWS_NAME, "leaderworkerset.sigs.k8s.io/group-index")
_LWS_WORKER = "leaderworkerset.sigs.k8s.io/worker-index"
_RAY_TYPE = "ray.io/node-type"


class Group(Struct, frozen=True):
    """A serving group: what was asked for, its pods (the leader first), what specs ask for."""

    target: Target
    pods: tuple[Pod, ...]
    intent: Intent
    notes: tuple[str, ...] = ()


class Members(Struct, frozen=True):
    """The raw pods of a group, and its leader; `how` says what ties them together."""

    leader: Object
    pods: tuple[Object, ...]
    how: str
    notes: tuple[str, ...] = ()


def find_group(api: Api, namespace: str, target: str) -> Group:
    """The serving group that TARGET belongs to.

    Pods are tied together by the labels of a LeaderWorkerSet or a RayCluster, else by
    command lines that join the same leader, else by their workload.

    Raises:
        TargetError, NotFound, Ambiguous, Refused, Unreachable: see `target.resolve`.
    """
    found = resolve(api, namespace, target)
    members = _members(api, namespace, living(found.pods) or list(found.pods))
    ordered = [members.leader, *(p for p in members.pods if p is not members.leader)]
    pods = tuple(as_pod(p, "leader" if p is members.leader else "worker") for p in ordered)
    chosen = f"{found.target.chosen}: {_counted(len(pods))} {members.how}"
    said = Target(namespace, found.target.kind, found.target.name, chosen)
    return Group(said, pods, declared_intent(ordered), members.notes)


def _counted(pods: int) -> str:
    return "1 pod" if pods == 1 else f"{pods} pods"


def _members(api: Api, namespace: str, seeds: list[Object]) -> Members:
    for keys, leads, how in (
        (_LWS_GROUP, _leads_lws, "of one LeaderWorkerSet group"),
        ((RAY_CLUSTER,), _leads_ray, "of one RayCluster"),
    ):
        groups = {equalities(labels) for p in seeds if (labels := _labels(p, keys))}
        if groups:
            pods = labelled(api, namespace, _only(groups, seeds))
            return _led(pods or seeds, leads, how)
    return _unlabelled(api, namespace, seeds)


def _labels(pod: Object, keys: tuple[str, ...]) -> dict[str, str] | None:
    labels = pod["metadata"].get("labels") or {}
    return {k: labels[k] for k in keys} if all(k in labels for k in keys) else None


def _only(groups: set[str], seeds: Iterable[Object]) -> str:
    if len(groups) > 1:
        raise Ambiguous("several serving groups fit; name a pod of one", choices(seeds))
    return next(iter(groups))


def _leads_lws(pod: Object) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get(_LWS_WORKER) == "0")


def _leads_ray(pod: Object) -> bool:
    return bool((pod["metadata"].get("labels") or {}).get(_RAY_TYPE) == "head")


def _led(pods: list[Object], leads: Callable[[Object], bool], how: str) -> Members:
    return Members(next((p for p in pods if leads(p)), pods[0]), tuple(pods), how)


def _unlabelled(api: Api, namespace: str, seeds: list[Object]) -> Members:
    ties = read_ties(api, namespace)
    pods, notes = tied(ties, seeds), dangling(ties)
    if pods:
        return Members(pods[0], pods, "tied by the address that the workers join", notes)
    return structs.replace(_owned(ties, seeds), notes=notes)


def _owned(ties: Ties, seeds: list[Object]) -> Members:
    """The pods of the seeds' own controller; replicas that need nobody are groups of one."""
    owners = {uid for p in seeds for uid in _owners(p)}
    pods = [p for p in ties.pods if owners & _owners(p)] or seeds
    if len(pods) > 1 and _whole(pods[0]):
        if len(seeds) > 1:
            raise Ambiguous("each replica is a whole copy; name one", choices(seeds))
        return Members(seeds[0], tuple(seeds), "that serves a whole copy on its own")
    return Members(pods[0], tuple(pods), "of one workload")


def _owners(pod: Object) -> set[str]:
    references = pod["metadata"].get("ownerReferences") or ()
    return {r["uid"] for r in references if r.get("controller") and r.get("uid")}


def _whole(pod: Object) -> bool:
    intent = declared_intent([pod])
    return intent.world_size is not None and intent.world_size == as_pod(pod, "leader").gpus
