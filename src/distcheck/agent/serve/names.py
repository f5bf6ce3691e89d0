"""The name of a serving group in metrics and paths: one that outlives its pods."""

from typing import Any

from distcheck.agent.cluster.finding.members import LWS_NAME, RAY_CLUSTER

Object = dict[str, Any]

_LWS_INDEX = "leaderworkerset.sigs.k8s.io/group-index"
_RAY_ORIGIN = "ray.io/originated-from-cr-name"
_MPI_JOB = "training.kubeflow.org/job-name"
_TEMPLATE_HASH = "pod-template-hash"


def workload_of(leader: Object, *, whole: bool) -> str:
    """The workload that the leader's pod belongs to.

    A LeaderWorkerSet has a group per index, named as its leader is. `whole` is a pod that
    serves a copy on its own: its workload's other replicas are other groups, so the pod's own
    name tells them apart.
    """
    meta = leader["metadata"]
    labels = meta.get("labels") or {}
    if LWS_NAME in labels and _LWS_INDEX in labels:
        return f"{labels[LWS_NAME]}-{labels[_LWS_INDEX]}"
    named = next((labels[k] for k in (_RAY_ORIGIN, RAY_CLUSTER, _MPI_JOB) if k in labels), None)
    return str(named or (meta["name"] if whole else _owner(meta, labels)))


def set_of(leader: Object) -> str:
    """The LeaderWorkerSet, Deployment or StatefulSet that may have made several groups."""
    meta = leader["metadata"]
    labels = meta.get("labels") or {}
    return str(labels.get(LWS_NAME) or _owner(meta, labels))


def _owner(meta: Object, labels: Object) -> str:
    """The controller, or the Deployment behind a ReplicaSet: its name without the hash."""
    owners = [r for r in meta.get("ownerReferences") or () if r.get("controller")]
    name = str(owners[0]["name"]) if owners else str(meta["name"])
    return name.removesuffix(f"-{labels[_TEMPLATE_HASH]}") if _TEMPLATE_HASH in labels else name
