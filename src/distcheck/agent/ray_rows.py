"""Ray's tables in other forms than its GCS's own answers, as those answers.

So that one decoder reads them all, with its bounds: what Ray's own accessor gives inside a
container (dicts for nodes, messages for the rest), and the dashboard's `/api/v0` JSON.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.checks.evidence import Missing

Row = Mapping[str, Any]
Replies = dict[str, bytes | Missing]
_MOST = 20_000
_HEAD = "node:__internal_head__"
_BY_ROWS = 2
"""The field of every reply that has its rows."""


class BrokenRowsError(ValueError):
    """What was told is of another form; the message says which."""


def of_accessor(told: object) -> Replies:
    """What the accessor inside a container told.

    Raises:
        BrokenRowsError: it is of another form.
    """
    if not isinstance(told, dict) or not isinstance(told.get("nodes"), list):
        raise BrokenRowsError("what Ray told in its container has another form")
    version = pb.CheckAliveReply(ray_version=_text(told.get("ray")))
    nodes = pb.GetAllNodeInfoReply(nodes=[_of_dict(r) for r in _rows(told["nodes"])])
    return {
        tables.CHECK_ALIVE: version.SerializeToString(),
        tables.NODES: nodes.SerializeToString(),
        tables.AVAILABLE: _messages(told.get("available"), tables.AVAILABLE),
        tables.GROUPS: _messages(told.get("groups"), tables.GROUPS),
        tables.ACTORS: _messages(told.get("actors"), tables.ACTORS),
    }


def of_rest(version: str, nodes: object, groups: object, actors: object) -> Replies:
    """What the dashboard told under `/api/v0`; of what is Missing, that part is.

    Raises:
        BrokenRowsError: its list of nodes is of another form.
    """
    rows = _results(nodes)
    if isinstance(rows, Missing):
        raise BrokenRowsError(rows.reason)
    reply = pb.GetAllNodeInfoReply(nodes=[_of_rest_node(r) for r in rows])
    ips = {_text(r.get("node_id")): _text(r.get("node_ip")) for r in rows}
    placed, workers = _results(groups), _results(actors)
    return {
        tables.CHECK_ALIVE: pb.CheckAliveReply(ray_version=version).SerializeToString(),
        tables.NODES: reply.SerializeToString(),
        tables.GROUPS: placed
        if isinstance(placed, Missing)
        else pb.GetAllPlacementGroupReply(
            groups=[_of_rest_group(r, version) for r in placed]
        ).SerializeToString(),
        tables.ACTORS: workers
        if isinstance(workers, Missing)
        else pb.GetAllActorInfoReply(
            actors=[_of_rest_actor(r, ips) for r in workers]
        ).SerializeToString(),
    }


def _of_dict(row: Row) -> pb.Node:
    resources = _amounts(row.get("Resources"))
    return pb.Node(
        node_id=_hex(row.get("NodeID")),
        address=_text(row.get("NodeManagerAddress")),
        hostname=_text(row.get("NodeManagerHostname")),
        state=0 if row.get("Alive") is True else 1,
        node_manager_port=_number(row.get("NodeManagerPort")),
        object_manager_port=_number(row.get("ObjectManagerPort")),
        metrics_export_port=_number(row.get("MetricsExportPort")),
        runtime_env_agent_port=_number(row.get("RuntimeEnvAgentPort")),
        is_head_node=_HEAD in resources,
        resources_total=resources,
        death_info=pb.DeathInfo(
            reason=_number(row.get("DeathReason")), message=_text(row.get("DeathReasonMessage"))
        ),
    )


def _of_rest_node(row: Row) -> pb.Node:
    reason, _, message = _text(row.get("state_message")).partition(": ")
    return pb.Node(
        node_id=_hex(row.get("node_id")),
        address=_text(row.get("node_ip")),
        state=_index(tables.NODE_STATE, row.get("state")),
        is_head_node=row.get("is_head_node") is True,
        resources_total=_amounts(row.get("resources_total")),
        start_time_ms=max(0, _number(row.get("start_time_ms"), 1 << 62)),
        end_time_ms=max(0, _number(row.get("end_time_ms"), 1 << 62)),
        death_info=pb.DeathInfo(message=f"{reason}: {message}" if message else reason),
    )


def _of_rest_group(row: Row, version: str) -> pb.PlacementGroupData:
    stats = row.get("stats")
    stats = stats if isinstance(stats, dict) else {}
    return pb.PlacementGroupData(
        id=_hex(row.get("placement_group_id")),
        name=_text(row.get("name")),
        state=_index(tables.group_states(version), row.get("state")),
        is_detached=row.get("is_detached") is True,
        creator_job_id=_hex(row.get("creator_job_id")),
        bundles=[_of_rest_bundle(b) for b in _rows(row.get("bundles"))],
        stats=pb.PlacementGroupStats(
            scheduling_attempt=_number(stats.get("scheduling_attempt"), 1 << 62),
            scheduling_state=_index(tables.SCHEDULING, stats.get("scheduling_state")),
        ),
    )


def _of_rest_bundle(row: Row) -> pb.BundleData:
    told = row.get("bundle_id")
    index = _number(told.get("bundle_index")) if isinstance(told, dict) else 0
    return pb.BundleData(
        id=pb.BundleId(index=index),
        resources=_amounts(row.get("unit_resources")),
        node_id=_hex(row.get("node_id")),
    )


def _of_rest_actor(row: Row, ips: Mapping[str, str]) -> pb.ActorData:
    node = _text(row.get("node_id"))
    return pb.ActorData(
        actor_id=_hex(row.get("actor_id")),
        class_name=_text(row.get("class_name")),
        name=_text(row.get("name")),
        state=_index(tables.ACTOR_STATE, row.get("state")),
        pid=max(0, _number(row.get("pid"))),
        node_id=_hex(node),
        address=pb.ActorAddress(ip=ips.get(node, "")),
        placement_group_id=_hex(row.get("placement_group_id")),
        required_resources=_amounts(row.get("required_resources")),
    )


def _messages(told: object, method: str) -> bytes | Missing:
    """Messages in base64 as the reply that has them: each is one field of it."""
    if not isinstance(told, list):
        return Missing(f"{method}: {_text(told)[:200] or 'not told'}")
    try:
        rows = [base64.b64decode(_text(one), validate=True) for one in told[:_MOST]]
    except ValueError:
        return Missing(f"{method}: told in a form that cannot be read")
    return b"".join(bytes([_BY_ROWS << 3 | 2]) + _varint(len(row)) + row for row in rows)


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def _results(told: object) -> Sequence[Row] | Missing:
    """`data.result.result` of an answer; Missing where it says that it failed."""
    for name in ("data", "result", "result"):
        if not isinstance(told, dict) or name not in told:
            says = told.reason if isinstance(told, Missing) else "its answer has another form"
            return Missing(f"Ray's dashboard: {says}")
        told = told[name]
    return _rows(told) if isinstance(told, list) else Missing("Ray's dashboard: no list")


def _rows(told: object) -> list[Row]:
    return [r for r in told[:_MOST] if isinstance(r, dict)] if isinstance(told, list) else []


def _text(told: object) -> str:
    return told.encode("utf-8", "replace").decode()[:4096] if isinstance(told, str) else ""


def _hex(told: object) -> bytes:
    try:
        return bytes.fromhex(_text(told)[:128])
    except ValueError:
        return b""


def _number(told: object, most: int = (1 << 31) - 1) -> int:
    """Also from text: `/api/v0` has large numbers so."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 20:
        told = int(told)
    known = isinstance(told, int) and not isinstance(told, bool) and -2 < told <= most
    return int(told) if known else 0  # type: ignore[call-overload]


def _amounts(told: object) -> dict[str, float]:
    pairs = list(told.items())[:256] if isinstance(told, dict) else []
    return {
        _text(k): float(v)
        for k, v in pairs
        if isinstance(v, int | float) and -1e15 < v < 1e15 and math.isfinite(v)
    }


def _index(table: Sequence[str], told: object) -> int:
    """The number of a name; one that no version has, where it is not known."""
    return table.index(told) if isinstance(told, str) and told in table else len(table)
