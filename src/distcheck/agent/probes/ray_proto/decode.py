"""Bytes of GCS replies to evidence. Pure: no network, no clock."""

from collections.abc import Mapping
from itertools import islice
from typing import Any, TypeVar, cast

from google.protobuf.message import DecodeError

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.agent.probes.ray_proto.engine import decode_actors, decode_groups
from distcheck.agent.probes.ray_proto.values import (
    MAX_ROWS,
    Kept,
    gpus,
    hex_id,
    kept,
    line_of,
    port,
    short,
    time_ms,
)
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import RayCluster, RayNode

Reply = bytes | Missing

_Message = TypeVar("_Message", bound=Any)


def cluster(
    address: str, seen_at: str | None, replies: Mapping[str, Reply]
) -> RayCluster | Missing:
    """What `replies` (a method of `tables.METHODS` to its bytes, or why none) say together.

    Missing where the node table is; any other part that failed is Missing on its own.
    """
    rows = _read(tables.NODES, pb.GetAllNodeInfoReply, replies)
    if isinstance(rows, Missing):
        return rows
    alive = _read(tables.CHECK_ALIVE, pb.CheckAliveReply, replies)
    named = _read(tables.CLUSTER_ID, pb.GetClusterIdReply, replies)
    version = "" if isinstance(alive, Missing) else alive.ray_version
    free = _available(_read(tables.AVAILABLE, pb.GetAllAvailableResourcesReply, replies))
    nodes = kept(rows.nodes, _is_gone, lambda n: n.end_time_ms)
    groups = decode_groups(_read(tables.GROUPS, pb.GetAllPlacementGroupReply, replies), version)
    actors = decode_actors(_read(tables.ACTORS, pb.GetAllActorInfoReply, replies))
    found = {"nodes": nodes, "placement_groups": groups, "actors": actors}
    lost = {name: of.lost for name, of in found.items() if isinstance(of, Kept) and of.lost}
    return RayCluster(
        address=address,
        version=short(version),
        cluster_id="" if isinstance(named, Missing) else hex_id(named.cluster_id),
        seen_at=seen_at,
        nodes=tuple(_node(n, free) for n in nodes.rows),
        placement_groups=groups if isinstance(groups, Missing) else groups.rows,
        actors=actors if isinstance(actors, Missing) else actors.rows,
        left_out=lost,
    )


def _is_gone(row: pb.Node) -> bool:
    return bool(row.state == tables.NODE_STATE.index("DEAD"))


def _read(method: str, kind: type[_Message], replies: Mapping[str, Reply]) -> _Message | Missing:
    """One reply as a message; Missing where it failed, is damaged, or carries an error."""
    data = replies.get(method, Missing(f"{method} was not asked"))
    if isinstance(data, Missing):
        return data
    try:
        message = kind.FromString(data)
    except DecodeError as error:
        return Missing(f"the reply of {method} cannot be read: {error}")
    if message.status.code:
        return Missing(f"{method} answered {short(message.status.message) or message.status.code}")
    return cast("_Message", message)


def _available(reply: pb.GetAllAvailableResourcesReply | Missing) -> dict[bytes, float]:
    """Free GPUs by node: none for one without a GPU key, untold for one without any key."""
    if isinstance(reply, Missing):
        return {}
    return {n.node_id: gpus(n.available) for n in islice(reply.nodes, MAX_ROWS) if n.available}


def _node(row: pb.Node, free: Mapping[bytes, float]) -> RayNode:
    return RayNode(
        id=hex_id(row.node_id),
        ip=short(row.address),
        state=tables.name(tables.NODE_STATE, row.state),
        hostname=short(row.hostname),
        gpus=gpus(row.resources_total),
        gpus_available=free.get(row.node_id),
        is_head=row.is_head_node,
        node_manager_port=port(row.node_manager_port),
        object_manager_port=port(row.object_manager_port),
        metrics_export_port=port(row.metrics_export_port),
        runtime_env_agent_port=port(row.runtime_env_agent_port),
        activity=tables.name(tables.ACTIVITY, row.snapshot.state),
        start_ms=time_ms(row.start_time_ms),
        end_ms=time_ms(row.end_time_ms),
        metrics_agent_port=port(row.metrics_agent_port),
        dashboard_agent_port=port(row.dashboard_agent_port),
        death_reason=tables.name(tables.NODE_DEATH, row.death_info.reason),
        death_message=line_of(row.death_info.message, 0),
    )
