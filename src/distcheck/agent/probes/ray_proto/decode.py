"""Bytes of GCS replies to evidence. Pure: no network, no clock."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from google.protobuf.message import DecodeError

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import Bundle, PlacementGroup, RayActor, RayCluster, RayNode

Reply = bytes | Missing

_Message = TypeVar("_Message", bound=Any)
_LONGEST = 300
_BUNDLE = re.compile(r"bundle_group_(\d+)_[0-9a-f]+\Z")


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
    return RayCluster(
        address=address,
        version=version,
        cluster_id="" if isinstance(named, Missing) else named.cluster_id.hex(),
        seen_at=seen_at,
        nodes=tuple(_node(n, free) for n in rows.nodes),
        placement_groups=_groups(
            _read(tables.GROUPS, pb.GetAllPlacementGroupReply, replies), version
        ),
        actors=_actors(_read(tables.ACTORS, pb.GetAllActorInfoReply, replies)),
    )


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
        return Missing(f"{method} answered {message.status.message or message.status.code}")
    return cast("_Message", message)


def _available(reply: pb.GetAllAvailableResourcesReply | Missing) -> dict[bytes, float]:
    """Free GPUs by node; a node in the reply without a GPU key has none free."""
    if isinstance(reply, Missing):
        return {}
    return {n.node_id: _gpus(n.available) for n in reply.nodes}


def _node(row: pb.Node, free: Mapping[bytes, float]) -> RayNode:
    return RayNode(
        id=row.node_id.hex(),
        ip=row.address,
        state=tables.name(tables.NODE_STATE, row.state),
        hostname=row.hostname,
        gpus=_gpus(row.resources_total),
        gpus_available=free.get(row.node_id),
        is_head=row.is_head_node,
        node_manager_port=row.node_manager_port,
        object_manager_port=row.object_manager_port,
        metrics_export_port=row.metrics_export_port,
        runtime_env_agent_port=row.runtime_env_agent_port,
        activity=tables.name(tables.ACTIVITY, row.snapshot.state),
        start_ms=row.start_time_ms,
        end_ms=row.end_time_ms,
        death_reason=tables.name(tables.NODE_DEATH, row.death_info.reason),
        death_message=_line(row.death_info.message, 0),
    )


def _gpus(resources: Mapping[str, float]) -> float:
    return resources.get("GPU", 0.0)


def _groups(
    reply: pb.GetAllPlacementGroupReply | Missing, version: str
) -> tuple[PlacementGroup, ...] | Missing:
    if isinstance(reply, Missing):
        return reply
    return tuple(_group(g, version) for g in reply.groups)


def _group(group: pb.PlacementGroupData, version: str) -> PlacementGroup:
    return PlacementGroup(
        id=group.id.hex(),
        state=tables.group_state(group.state, version),
        strategy=tables.name(tables.STRATEGY, group.strategy),
        name=group.name,
        bundles=tuple(_bundle(b) for b in group.bundles),
        detached=group.is_detached,
        creator_job=group.creator_job_id.hex(),
        creator_job_dead=group.creator_job_dead,
        creator_actor_dead=group.creator_actor_dead,
        scheduling=tables.name(tables.SCHEDULING, group.stats.scheduling_state),
        attempts=group.stats.scheduling_attempt,
        asked_ms=group.stats.creation_request_received_ns // 1_000_000,
    )


def _bundle(bundle: pb.BundleData) -> Bundle:
    pinned = (k.removeprefix("node:") for k in bundle.resources if k.startswith("node:"))
    return Bundle(
        index=bundle.id.index,
        gpus=_gpus(bundle.resources),
        node_id=bundle.node_id.hex(),
        pinned_ip=next(pinned, ""),
    )


def _actors(reply: pb.GetAllActorInfoReply | Missing) -> tuple[RayActor, ...] | Missing:
    if isinstance(reply, Missing):
        return reply
    return tuple(_actor(a) for a in reply.actors if _is_engine(a))


def _is_engine(actor: pb.ActorData) -> bool:
    """A worker by its class, or any actor that holds GPUs of a placement group."""
    holds = any(k.startswith("GPU_group_") for k in actor.required_resources)
    return holds or actor.class_name in tables.ENGINE_ACTORS


def _actor(actor: pb.ActorData) -> RayActor:
    return RayActor(
        id=actor.actor_id.hex(),
        class_name=actor.class_name,
        state=tables.name(tables.ACTOR_STATE, actor.state),
        name=actor.name,
        pid=actor.pid,
        ip=actor.address.ip,
        node_id=(actor.node_id or actor.address.node_id).hex(),
        gpu_indices=_gpu_indices(actor.resource_mapping),
        placement_group=actor.placement_group_id.hex(),
        bundle=_bundle_index(actor.required_resources),
        start_ms=actor.start_time_ms,
        end_ms=actor.end_time_ms,
        death=_actor_death(actor.death_cause),
    )


def _gpu_indices(mapping: Iterable[pb.ResourceIndexes]) -> tuple[int, ...]:
    """Physical GPUs: entries named GPU, or GPU_group_... for those of a placement group."""
    found = {
        one.index
        for entry in mapping
        if entry.name == "GPU" or entry.name.startswith("GPU_group_")
        for one in entry.ids
        if one.quantity > 0
    }
    return tuple(sorted(found))


def _bundle_index(resources: Mapping[str, float]) -> int | None:
    found = (_BUNDLE.match(key) for key in resources)
    return next((int(m[1]) for m in found if m), None)


def _actor_death(cause: pb.DeathCause) -> str:
    """The reason by name where there is one, and one line of Ray's own text."""
    context = cause.WhichOneof("context")
    if context is None:
        return ""
    if context == "creation":
        return _line(cause.creation.text, -1)
    if context == "died":
        reason = tables.name(tables.ACTOR_DEATH, cause.died.reason)
        return ", ".join(filter(None, (reason, _line(cause.died.message, 0))))
    return _line(getattr(cause, context).message, 0)


def _line(text: str, which: int) -> str:
    """The first (0) or last (-1) line with words: an exception's text may hold anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(c for c in lines[which] if c.isprintable())[:_LONGEST] if lines else ""
