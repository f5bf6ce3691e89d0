"""What the code asks of the API, over every kind of group, with agents and without.

A right is written `verb resource.group in PLACE`, where PLACE is `llm` (the group's namespace),
`distcheck` (the agents') or `all` (no namespace).
"""

import functools
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.gather import Ways, gather
from distcheck.agent.cluster.policies import _ENGINES
from distcheck.agent.serve.discover import discover
from distcheck.lab.apiserver import Denial, kinds
from distcheck.lab.apiserver.kinds import Kind
from distcheck.lab.apiserver.server import Asked
from tests.cluster.manifests.build import agent, obj
from tests.cluster.manifests.controllers import without
from tests.cluster.manifests.folders import FOLDERS, expected, objects
from tests.cluster.manifests.world import cluster, http_ok

Object = dict[str, Any]
Way = Callable[[Api, list[str]], None]

EVERYWHERE = Denial(("list",), ("pods",), ("",))
"""Agents are sought in all namespaces, and where that is refused in `distcheck`."""
KNOWN = tuple(
    k for k in kinds.KINDS if any((e.group, e.plural) == (k.group, k.plural) for e in _ENGINES)
)
_VERSIONS = {k.group: k.version for k in KNOWN}
UNKNOWN = tuple(
    Kind(e.group, _VERSIONS.get(e.group, "v1"), e.plural, e.plural.title(),
         namespaced=e.namespaced, extension=True)
    for e in _ENGINES
    if not any((e.group, e.plural) == (k.group, k.plural) for k in KNOWN)
)  # fmt: skip
"""Kinds of policy engines that the stand-in serves, and those that it does not know."""
BY_AGENTS = Ways(agents=True, exec=False, no_exec="not by this caller")
INSIDE = Ways(agents=False, exec=True)


def verify_by_agents(api: Api, targets: list[str]) -> None:
    """`verify --no-exec TARGET`."""
    for target in targets:
        group = find_group(api, "llm", target)
    gather(api, group, timeout=5.0, ways=BY_AGENTS)


def verify_inside(api: Api, targets: list[str]) -> None:
    """`verify --no-agents TARGET`."""
    gather(api, find_group(api, "llm", targets[0]), timeout=5.0, ways=INSIDE)


def serve(api: Api, _targets: list[str], *namespaces: str) -> None:
    """One round of `serve`."""
    for serving in discover(api, namespaces).groups:
        gather(api, serving.group, timeout=5.0, ways=BY_AGENTS)


def serve_llm(api: Api, targets: list[str]) -> None:
    """One round of `serve --namespace llm`."""
    serve(api, targets, "llm")


@functools.cache
def asked(way: Way, *, everywhere: bool = False) -> frozenset[str]:
    """The rights that this way uses.

    Where it may not list the pods of all namespaces (not `everywhere`), what it does instead.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "KINDS", (*kinds.KINDS, *UNKNOWN))
        return frozenset(_rights(way, () if everywhere else (EVERYWHERE,)))


def _rights(way: Way, denied: tuple[Denial, ...]) -> Iterator[str]:
    for things, targets in _worlds():
        agents = {o["spec"]["nodeName"]: lambda _path: http_ok(b"{}") for o in _agents(things)}
        with (
            tempfile.TemporaryDirectory() as folder,
            cluster(Path(folder), things, agents, denied=denied) as (api, server, _),
        ):
            way(api, targets)
        for one in server.asked:
            if not any(d.covers(one.verbs[0], one.resource, one.namespace) for d in denied):
                yield from written(one)


def written(one: Asked) -> Iterator[str]:
    """A request as the rights that it takes."""
    what = f"{one.resource}.{one.group}" if one.group else one.resource
    return (f"{verb} {what} in {one.namespace or 'all'}" for verb in one.verbs)


@functools.cache
def _worlds() -> tuple[tuple[list[Object], list[str]], ...]:
    """Objects and targets: each kind of group whole, and some with a pod that waits or is gone."""
    whole = [_world(f, objects(f)) for f in FOLDERS if "targets" in expected(f, "group")]
    waits = deepcopy(objects("statefulsets-headless"))
    last = [o for o in waits if o["kind"] == "Pod"][-1]
    last["spec"].pop("nodeName")
    last["status"] = {"phase": "Pending"}
    gone = objects("leaderworkerset-vllm")
    gone = without(gone, [o for o in gone if o["kind"] == "Pod"][-1]["metadata"]["name"])
    broken = (_world("statefulsets-headless", waits), _world("leaderworkerset-vllm", gone))
    return (*whole, *broken)


def _world(folder: str, things: list[Object]) -> tuple[list[Object], list[str]]:
    gone = {o["metadata"]["name"] for o in objects(folder)} - {
        o["metadata"]["name"] for o in things
    }
    targets = [t for t in expected(folder, "group")["targets"] if t not in gone]
    return [*things, *_beside(things)], targets


def _beside(things: list[Object]) -> Iterator[Object]:
    """Agents on the nodes, and one policy of each engine; the pods are in a mesh."""
    pods = [o for o in things if o["kind"] == "Pod"]
    for pod in pods:
        labels = pod["metadata"].setdefault("labels", {})
        labels["istio.io/dataplane-mode"] = "ambient"
    yield from (agent(n) for n in sorted({p["spec"].get("nodeName") or "" for p in pods} - {""}))
    for kind in (*UNKNOWN, *KNOWN):
        space = "llm" if kind.namespaced else None
        yield obj(kind.api_version, kind.kind, "one", space, spec={})
    spec: Object = {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}
    yield obj("networking.k8s.io/v1", "NetworkPolicy", "one", spec=spec)
    yield obj("v1", "Namespace", "llm", None)


def _agents(things: list[Object]) -> Iterator[Object]:
    return (o for o in things if o["metadata"].get("namespace") == "distcheck")
