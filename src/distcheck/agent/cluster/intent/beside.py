"""What the API holds beside a group's pods that says what to serve: ConfigMaps, resources."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.intent.scripts import mounted_maps
from distcheck.agent.cluster.kinds import (
    CONFIGMAP,
    NIMSERVICE,
    RAYCLUSTER,
    RAYJOB,
    RAYSERVICE,
    Kind,
)
from distcheck.agent.cluster.podspec import engine_container

if TYPE_CHECKING:
    from distcheck.agent.cluster.api import Api

Object = dict[str, Any]

_MOST_MAPS = 8
_BY_CRD = {"RayService": RAYSERVICE, "RayJob": RAYJOB}
_CR_NAME, _CRD = "ray.io/originated-from-cr-name", "ray.io/originated-from-crd"
_LWS_NAME = "leaderworkerset.sigs.k8s.io/name"


class Beside(Struct, frozen=True):
    """ConfigMaps by name, custom resources, and why others could not be read."""

    maps: Mapping[str, Mapping[str, str]] = {}
    resources: tuple[Object, ...] = ()
    unread: Mapping[str, str] = {}


def read_beside(
    api: "Api", namespace: str, pods: Sequence[Object], known: Sequence[Object] = ()
) -> Beside:
    """What stands beside these raw pods, the leader first; never raises.

    One request for each ConfigMap of the leader's engine, at most 8, and for each resource
    that its labels name, unless it is among `known`. Secrets are never read.
    """
    if not pods:
        return Beside()
    leader, unread = pods[0], dict[str, str]()
    have = {(o.get("kind"), (o.get("metadata") or {}).get("name")): o for o in known}
    resources = list(_followed(api, namespace, leader, have, unread))
    maps: dict[str, Mapping[str, str]] = {}
    for name in mounted_maps(leader, engine_container(leader))[:_MOST_MAPS]:
        found = _get(api, namespace, CONFIGMAP, name, unread)
        if found is not None:
            maps[name] = entries(found)
    return Beside(maps, tuple(resources), unread)


def entries(config_map: Object) -> dict[str, str]:
    """What it holds, by key; of what is binary the keys alone."""
    binary = dict.fromkeys(map(str, config_map.get("binaryData") or ()), "")
    return binary | {str(k): str(v) for k, v in (config_map.get("data") or {}).items()}


def _followed(
    api: "Api",
    namespace: str,
    leader: Object,
    have: Mapping[tuple[Any, Any], Object],
    unread: dict[str, str],
) -> Iterator[Object]:
    """The resources that the leader's labels lead to, a RayCluster's maker after it."""
    for kind, name in _named(leader):
        found = have.get((kind.kind, name)) or _get(api, namespace, kind, name, unread)
        if found is None:
            continue
        yield found
        labels = (found.get("metadata") or {}).get("labels") or {}
        maker = _BY_CRD.get(labels.get(_CRD, ""))
        if kind is RAYCLUSTER and maker is not None and _CR_NAME in labels:
            owner = labels[_CR_NAME]
            above = have.get((maker.kind, owner)) or _get(api, namespace, maker, owner, unread)
            if above is not None:
                yield above


def _named(leader: Object) -> Iterator[tuple[Kind, str]]:
    labels = leader["metadata"].get("labels") or {}
    if "ray.io/cluster" in labels:
        yield RAYCLUSTER, labels["ray.io/cluster"]
    service = str(labels.get(_LWS_NAME, ""))
    if service.endswith("-lws") and labels.get("nim-llm-role"):
        yield NIMSERVICE, service.removesuffix("-lws")


def _get(
    api: "Api", namespace: str, kind: Kind, name: str, unread: dict[str, str]
) -> Object | None:
    try:
        return api.get(kind.path(namespace, name))
    except ClusterError as error:
        unread[f"{kind.short}/{name}"] = str(error)
        return None
