"""The pods that belong to a workload, a Service or a label."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.kinds import POD, Kind
from distcheck.agent.cluster.podspec import Object

LWS_NAME = "leaderworkerset.sigs.k8s.io/name"
RAY_CLUSTER = "ray.io/cluster"
JOB_NAME = "training.kubeflow.org/job-name"
_SET_OPERATORS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})"}


def pods_of(look: Namespace, kind: Kind, found: Object) -> list[Object]:
    """The pods that `found` stands for, dead ones too.

    Raises:
        Refused, Unreachable: as the API server answered.
    """
    if kind is POD:
        return [found]
    return labelled(look, _selector(look, kind, found))


def labelled(look: Namespace, selector: str) -> list[Object]:
    """The pods that carry these labels, by name; an empty selector selects nothing."""
    return by_name(look.pods(selector)) if selector else []


def living(pods: Iterable[Object]) -> list[Object]:
    """Without pods that are done or being deleted, by name."""
    return by_name(p for p in pods if is_alive(p))


def by_name(pods: Iterable[Object]) -> list[Object]:
    """Sorted by name, so that the same cluster gives the same words."""
    return sorted(pods, key=lambda p: str(p["metadata"]["name"]))


def is_alive(pod: Object) -> bool:
    """Neither finished nor being deleted."""
    done = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not done and not pod["metadata"].get("deletionTimestamp")


def labels_of(obj: Object) -> dict[str, str]:
    """Its labels; empty where it has none."""
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Object) -> dict[str, str]:
    """Its annotations; empty where it has none."""
    return obj["metadata"].get("annotations") or {}


def controller_of(obj: Object) -> Mapping[str, str]:
    """The reference to its controller; empty where nothing owns it."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((r for r in references if r.get("controller")), {})


def _selector(look: Namespace, kind: Kind, found: Object) -> str:
    special = _SELECTORS.get(kind.kind)
    if special is not None:
        return special(look, found)
    return _from_selector((found.get("spec") or {}).get("selector") or {})


def _service(_look: Namespace, found: Object) -> str:
    return equalities((found.get("spec") or {}).get("selector") or {})


def _by_name(label: str) -> Callable[[Namespace, Object], str]:
    return lambda _look, found: f"{label}={found['metadata']['name']}"


def _ray_cluster_of(look: Namespace, found: Object) -> str:
    status = found.get("status") or {}
    if status.get("pendingServiceStatus") and not status.get("activeServiceStatus"):
        name = found["metadata"]["name"]
        look.note(f"rayservice/{name} serves from no cluster yet; its pending one was taken")
    return _cluster(running_cluster(found))


def running_cluster(found: Object) -> str:
    """The RayCluster of a RayService (the active one first) or RayJob; empty where none is made.

    Status fields: kuberay `rayservice_types.go` and `rayjob_types.go`.
    """
    status = found.get("status") or {}
    services = (status.get(k) or {} for k in ("activeServiceStatus", "pendingServiceStatus"))
    chosen = ((found.get("spec") or {}).get("clusterSelector") or {}).get(RAY_CLUSTER)
    names = [s.get("rayClusterName") for s in services]
    return str(next(filter(None, (*names, status.get("rayClusterName"), chosen)), ""))


def _cluster(name: Any) -> str:
    return f"{RAY_CLUSTER}={name}" if name else ""


def _nim(_look: Namespace, service: Object) -> str:
    """Pods carry `app`: the service's name, or `<name>-lws` where it has several nodes."""
    name = service["metadata"]["name"]
    multi = (service.get("spec") or {}).get("multiNode")
    return f"{LWS_NAME}={name}-lws" if multi else f"app={name}"


def _job(_look: Namespace, job: Object) -> str:
    declared = _from_selector((job.get("spec") or {}).get("selector") or {})
    return declared or f"batch.kubernetes.io/job-name={job['metadata']['name']}"


def equalities(labels: Mapping[str, Any]) -> str:
    """`{a: b}` as a label selector."""
    return ",".join(f"{k}={v}" for k, v in labels.items())


def _from_selector(selector: Mapping[str, Any]) -> str:
    terms = [equalities(selector.get("matchLabels") or {})]
    for one in selector.get("matchExpressions") or ():
        values = ",".join(one.get("values") or ())
        negated = "!" if one["operator"] == "DoesNotExist" else ""
        shape = _SET_OPERATORS.get(one["operator"], negated + "{key}")
        terms.append(shape.format(key=one["key"], values=values))
    return ",".join(t for t in terms if t)


_SELECTORS: dict[str, Callable[[Namespace, Object], str]] = {
    "LeaderWorkerSet": _by_name(LWS_NAME),
    "RayCluster": _by_name(RAY_CLUSTER),
    "MPIJob": _by_name(JOB_NAME),
    "RayService": _ray_cluster_of,
    "RayJob": _ray_cluster_of,
    "NIMService": _nim,
    "Service": _service,
    "Job": _job,
}
