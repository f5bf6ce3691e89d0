"""The serving groups of a cluster: every pod with GPUs is in one, or is said to be in none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec import Struct, field, structs

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.group import Group, find_group
from distcheck.agent.cluster.finding.members import living
from distcheck.agent.cluster.finding.target import TargetError
from distcheck.agent.cluster.kinds import POD
from distcheck.agent.cluster.podspec import containers, gpus_of
from distcheck.agent.serve.names import workload_of

Object = dict[str, Any]
Key = tuple[str, str]
"""Namespace and workload."""


class Serving(Struct, frozen=True):
    """One serving group: its name for metrics and paths, and its pods as they are now."""

    key: Key
    group: Group


class Discovery(Struct, frozen=True):
    """All groups, and the pods with GPUs that are in none, each with the reason."""

    groups: tuple[Serving, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)


def discover(api: Api, namespaces: Sequence[str] = ()) -> Discovery:
    """The serving groups of these namespaces, or of all.

    A group is one that an engine's command line or settings name; pods with GPUs that do
    something else are left out.

    Raises:
        Refused, Unreachable: pods cannot be listed.
    """
    pods = {_key(p): p for p in _with_gpus(api, namespaces)}
    taken: set[Key] = set()
    found: list[Serving] = []
    left_out: dict[str, str] = {}
    for key, pod in pods.items():
        if key in taken:
            continue
        try:
            group = find_group(api, key[0], f"pod/{key[1]}")
        except (ClusterError, TargetError) as error:
            left_out["/".join(key)] = str(error)
            continue
        taken |= {(p.namespace, p.name) for p in group.pods} | {key}
        if group.intent.engine == "unknown":
            left_out["/".join(key)] = "no engine is named by its command line or environment"
        else:
            found.append(_serving(group, pods, pod))
    return Discovery(tuple(_apart(found)), left_out)


def _with_gpus(api: Api, namespaces: Sequence[str]) -> list[Object]:
    paths = [POD.path(n) for n in namespaces] or ["/api/v1/pods"]
    pods = living(p for path in paths for p in api.items(path))
    return [p for p in pods if any(gpus_of(c) for c in containers(p))]


def _key(pod: Object) -> Key:
    return str(pod["metadata"].get("namespace", "")), str(pod["metadata"]["name"])


def _serving(group: Group, pods: dict[Key, Object], seen: Object) -> Serving:
    """A leader without GPUs is not among the pods listed: then the pod that led here names it."""
    leader = group.pods[0]
    raw = pods.get((leader.namespace, leader.name), seen)
    name = workload_of(raw, whole=len(group.pods) == 1)
    return Serving((leader.namespace, name), group)


def _apart(found: list[Serving]) -> list[Serving]:
    """Two groups of one workload are told apart by their leaders."""
    count = Counter(one.key for one in found)
    return [
        one
        if count[one.key] == 1
        else structs.replace(one, key=(one.key[0], one.group.pods[0].name))
        for one in found
    ]
