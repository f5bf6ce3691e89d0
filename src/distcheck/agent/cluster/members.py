"""The pods that belong to a workload, a Service or a label."""

from collections.abc import Iterable, Mapping
from typing import Any

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import NotFound
from distcheck.agent.cluster.kinds import LWS, POD, RAYCLUSTER, RAYSERVICE, Kind

LWS_NAME = "leaderworkerset.sigs.k8s.io/name"
RAY_CLUSTER = "ray.io/cluster"
_SET_OPERATORS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})"}


def pods_of(api: Api, namespace: str, kind: Kind, found: Object) -> list[Object]:
    """The live pods that `found` stands for.

    Raises:
        Refused, NotFound, Unreachable: as the API server answered.
    """
    if kind is POD:
        return [found]
    return labelled(api, namespace, _selector(api, kind, found))


def labelled(api: Api, namespace: str, selector: str) -> list[Object]:
    """The live pods that carry these labels, by name; an empty selector selects nothing."""
    if not selector:
        return []
    pods = api.items(POD.path(namespace), [("labelSelector", selector)])
    return living(pods)


def living(pods: Iterable[Object]) -> list[Object]:
    """Without pods that are done or being deleted, by name."""
    alive = [p for p in pods if _alive(p)]
    return sorted(alive, key=lambda p: str(p["metadata"]["name"]))


def _alive(pod: Object) -> bool:
    done = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not done and not pod["metadata"].get("deletionTimestamp")


def _selector(api: Api, kind: Kind, found: Object) -> str:
    name = found["metadata"]["name"]
    spec = found.get("spec", {})
    if kind is LWS:
        return f"{LWS_NAME}={name}"
    if kind is RAYCLUSTER:
        return f"{RAY_CLUSTER}={name}"
    if kind is RAYSERVICE:
        return f"{RAY_CLUSTER}={_active_cluster(found)}"
    if kind.kind == "NIMService":
        return _nim_selector(api, found)
    if kind.kind == "Service":
        return equalities(spec.get("selector") or {})
    return _from_selector(spec.get("selector") or {})


def _active_cluster(service: Object) -> str:
    """A RayService's cluster that serves now (kuberay rayservice_types.go)."""
    active = service.get("status", {}).get("activeServiceStatus") or {}
    name = active.get("rayClusterName")
    if not name:
        raise NotFound(f"rayservice/{service['metadata']['name']} has no active RayCluster yet")
    return str(name)


def _nim_selector(api: Api, service: Object) -> str:
    """The NIM Operator names its LeaderWorkerSet `<service>-lws` (nimservice_types.go)."""
    meta = service["metadata"]
    lws = f"{LWS_NAME}={meta['name']}-lws"
    return lws if labelled(api, meta["namespace"], lws) else f"app={meta['name']}"


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
