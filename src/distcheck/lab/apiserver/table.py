"""Rows and columns, as kubectl asks for them (meta.k8s.io/v1 Table)."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from distcheck.lab.apiserver.kinds import Kind

Object = dict[str, Any]
Column = tuple[str, int, Callable[[Object], object]]


def as_table(objects: Iterable[Object], kind: Kind, revision: int) -> Object:
    """A Table of these objects; columns of priority 1 show with `-o wide`."""
    columns: tuple[Column, ...] = (NAME, *COLUMNS.get(kind.kind, ()), AGE)
    wide = sorted(columns, key=lambda c: c[1])
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": str(revision)},
        "columnDefinitions": [_definition(title, priority) for title, priority, _ in wide],
        "rows": [_row(o, wide) for o in objects],
    }


def _definition(title: str, priority: int) -> Object:
    return {
        "name": title,
        "type": "string",
        "format": "name" if title == "Name" else "",
        "description": title,
        "priority": priority,
    }


def _row(obj: Object, columns: Iterable[Column]) -> Object:
    partial = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
    return {"cells": [cell(obj) for _, _, cell in columns], "object": partial}


def pod_state(pod: Object) -> str:
    """What kubectl shows as STATUS: a container's reason before the pod's phase."""
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for state in _states(pod):
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    return str(pod.get("status", {}).get("phase", "Unknown"))


def _states(pod: Object) -> list[Object]:
    return [c.get("state", {}) for c in _containers(pod)]


def _containers(pod: Object) -> list[Object]:
    return list(pod.get("status", {}).get("containerStatuses") or [])


def _ready(pod: Object) -> str:
    ready = sum(bool(c.get("ready")) for c in _containers(pod))
    return f"{ready}/{len(pod.get('spec', {}).get('containers', []))}"


def _restarts(pod: Object) -> int:
    return sum(int(c.get("restartCount", 0)) for c in _containers(pod))


def _workload_ready(workload: Object) -> str:
    status: Object = workload.get("status", {})
    return f"{status.get('readyReplicas', 0)}/{workload.get('spec', {}).get('replicas', 1)}"


def _node_state(node: Object) -> str:
    conditions = node.get("status", {}).get("conditions") or []
    ready: Object = next((c for c in conditions if c.get("type") == "Ready"), {})
    return "Ready" if ready.get("status") == "True" else "NotReady"


def _age(obj: Object) -> str:
    made = obj["metadata"].get("creationTimestamp")
    if not made:
        return "<unknown>"
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


def _at(*path: str) -> Callable[[Object], object]:
    def cell(obj: Object) -> object:
        value: Any = obj
        for step in path:
            value = (value or {}).get(step)
        return "<none>" if value is None else value

    return cell


NAME: Column = ("Name", 0, _at("metadata", "name"))
AGE: Column = ("Age", 0, _age)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "Pod": (
        ("Ready", 0, _ready),
        ("Status", 0, pod_state),
        ("Restarts", 0, _restarts),
        ("IP", 1, _at("status", "podIP")),
        ("Node", 1, _at("spec", "nodeName")),
    ),
    "Node": (("Status", 0, _node_state),),
    "Service": (("Type", 0, _at("spec", "type")), ("Cluster-IP", 0, _at("spec", "clusterIP"))),
    "StatefulSet": (("Ready", 0, _workload_ready),),
    "Deployment": (("Ready", 0, _workload_ready),),
    "Namespace": (("Status", 0, _at("status", "phase")),),
    "Event": (("Reason", 0, _at("reason")), ("Message", 0, _at("message"))),
}
