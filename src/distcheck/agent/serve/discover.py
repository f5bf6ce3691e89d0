"""The serving groups of a cluster: every pod with GPUs is in one, or is said to be in none."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.group import Group, find_group
from distcheck.agent.cluster.finding.members import living
from distcheck.agent.cluster.finding.target import TargetError
from distcheck.agent.cluster.kinds import POD
from distcheck.agent.cluster.podspec import containers, gpus_of
from distcheck.agent.cluster.troubles.reasons import short
from distcheck.agent.serve.names import set_of, workload_of

Object = dict[str, Any]

_NO_ENGINE = "no engine is named by its command line or environment"
_GROUP_S = 30.0
"""How long the search for one group may take."""
Key = tuple[str, str]
"""Namespace and workload."""


class Serving(Struct, frozen=True):
    """One serving group: its name for metrics and paths, and its pods as they are now.

    `owner` is the workload that may have made several groups.
    """

    key: Key
    group: Group
    owner: str = ""


class LeftOut(Struct, frozen=True):
    """A pod with GPUs that is in no group, and why; `unread` where its group was not found out.

    `workloads` are the names that mean it: its own, and those of what has made it.
    """

    key: Key
    why: str
    workloads: frozenset[str]
    unread: bool = False


class Discovery(Struct, frozen=True):
    """All groups, and the pods with GPUs that are in none."""

    groups: tuple[Serving, ...] = ()
    apart: tuple[LeftOut, ...] = ()

    @property
    def left_out(self) -> dict[str, str]:
        """The reason for each NAMESPACE/POD that is in no group."""
        return {"/".join(one.key): one.why for one in self.apart}


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
    apart: list[LeftOut] = []
    for key, pod in pods.items():
        if key in taken:
            continue
        try:
            one = _serving(api.until(monotonic() + _GROUP_S), key, pods)
        except Exception as error:  # noqa: BLE001 - one odd pod must not hide all others
            apart.append(LeftOut(key, _why(error), _names(pod), unread=True))
            continue
        taken |= (members := _members(one) | {key})
        if one.group.intent.engine == "unknown":
            apart += (LeftOut(k, _NO_ENGINE, _names(pods[k])) for k in pods if k in members)
        else:
            found.append(one)
    serving = {key for one in found for key in _members(one)}
    return Discovery(tuple(_apart(found)), tuple(a for a in apart if a.key not in serving))


def _members(one: Serving) -> set[Key]:
    return {(p.namespace, p.name) for p in one.group.pods}


def _names(pod: Object) -> frozenset[str]:
    names = {str(pod["metadata"]["name"])}
    with suppress(AttributeError, KeyError, TypeError):
        names |= {set_of(pod), workload_of(pod, whole=False)}
    return frozenset(names)


def _with_gpus(api: Api, namespaces: Sequence[str]) -> list[Object]:
    paths = [POD.path(n) for n in namespaces] or ["/api/v1/pods"]
    pods = living(p for path in paths for p in api.items(path))
    return [p for p in pods if _has_gpus(p)]


def _has_gpus(pod: Object) -> bool:
    """A pod that cannot be understood counts: its reason is told then."""
    try:
        return any(gpus_of(c) for c in containers(pod))
    except (AttributeError, TypeError, ValueError):
        return True


def _why(error: Exception) -> str:
    """A pod's odd field is named by its exception alone: its value may be a secret."""
    told = isinstance(error, ClusterError | TargetError)
    return short(str(error)) if told else f"it cannot be understood ({type(error).__name__})"


def _key(pod: Object) -> Key:
    return str(pod["metadata"].get("namespace", "")), str(pod["metadata"]["name"])


def _serving(api: Api, key: Key, pods: dict[Key, Object]) -> Serving:
    """A leader without GPUs is not among the pods listed: then the pod that led here names it."""
    group, seen = find_group(api, key[0], f"pod/{key[1]}"), pods[key]
    leader = group.pods[0]
    raw = pods.get((leader.namespace, leader.name), seen)
    name = workload_of(raw, whole=len(group.pods) == 1)
    return Serving((leader.namespace, name), group, set_of(raw))


def _apart(found: list[Serving]) -> list[Serving]:
    """Two groups of one workload are told apart by their leaders."""
    count = Counter(one.key for one in found)
    return [
        one
        if count[one.key] == 1
        else structs.replace(one, key=(one.key[0], one.group.pods[0].name))
        for one in found
    ]
