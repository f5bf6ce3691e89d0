"""Bytes of GCS replies to evidence. Pure: no network, no clock."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

from google.protobuf.message import DecodeError
from msgspec import Struct

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import Bundle, PlacementGroup, RayActor, RayCluster, RayNode

Reply = bytes | Missing

_Message = TypeVar("_Message", bound=Any)
_LONGEST, _TEXT, _ID = 300, 1 << 16, 64
_MAX_ROWS, _MAX_THERE, _MAX_GONE = 20_000, 4096, 256
_MAX_BUNDLES, _MAX_KEYS = 4096, 256
_MOST_GPUS = 100_000
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: what comes later is no time."""
_BUNDLE = re.compile(r"bundle_group_([0-9]{1,6})_[0-9a-f]{1,80}\Z")


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
    nodes = _kept(rows.nodes, _is_gone, lambda n: n.end_time_ms)
    groups = _groups(_read(tables.GROUPS, pb.GetAllPlacementGroupReply, replies), version)
    actors = _actors(_read(tables.ACTORS, pb.GetAllActorInfoReply, replies))
    found = {"nodes": nodes, "placement_groups": groups, "actors": actors}
    lost = {name: of.lost for name, of in found.items() if isinstance(of, Kept) and of.lost}
    return RayCluster(
        address=address,
        version=_short(version),
        cluster_id="" if isinstance(named, Missing) else _id(named.cluster_id),
        seen_at=seen_at,
        nodes=tuple(_node(n, free) for n in nodes.rows),
        placement_groups=groups if isinstance(groups, Missing) else groups.rows,
        actors=actors if isinstance(actors, Missing) else actors.rows,
        left_out=lost,
    )


class Kept(Struct, frozen=True):
    """Rows that are kept, and how many more there were."""

    rows: tuple[Any, ...]
    lost: int = 0


def _kept(rows: Sequence[Any], is_gone: Callable[[Any], bool], end: Callable[[Any], int]) -> Kept:
    """All that are there now, and the newest of those that are gone, in their order.

    GCS keeps a thousand DEAD nodes, and each actor of every job of a long-lived head.
    """
    seen = list(islice(rows, _MAX_ROWS))
    gone = {i for i, row in enumerate(seen) if is_gone(row)}
    there = [i for i in range(len(seen)) if i not in gone][:_MAX_THERE]
    newest = sorted(gone, key=lambda i: (-end(seen[i]), -i))[:_MAX_GONE]
    told = tuple(seen[i] for i in sorted((*there, *newest)))
    return Kept(told, len(rows) - len(told))


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
        return Missing(f"{method} answered {_short(message.status.message) or message.status.code}")
    return cast("_Message", message)


def _available(reply: pb.GetAllAvailableResourcesReply | Missing) -> dict[bytes, float]:
    """Free GPUs by node; a node in the reply without a GPU key has none free."""
    if isinstance(reply, Missing):
        return {}
    return {n.node_id: _gpus(n.available) for n in reply.nodes}


def _node(row: pb.Node, free: Mapping[bytes, float]) -> RayNode:
    return RayNode(
        id=_id(row.node_id),
        ip=_short(row.address),
        state=tables.name(tables.NODE_STATE, row.state),
        hostname=_short(row.hostname),
        gpus=_gpus(row.resources_total),
        gpus_available=free.get(row.node_id),
        is_head=row.is_head_node,
        node_manager_port=_port(row.node_manager_port),
        object_manager_port=_port(row.object_manager_port),
        metrics_export_port=_port(row.metrics_export_port),
        runtime_env_agent_port=_port(row.runtime_env_agent_port),
        activity=tables.name(tables.ACTIVITY, row.snapshot.state),
        start_ms=_time(row.start_time_ms),
        end_ms=_time(row.end_time_ms),
        metrics_agent_port=_port(row.metrics_agent_port),
        dashboard_agent_port=_port(row.dashboard_agent_port),
        death_reason=tables.name(tables.NODE_DEATH, row.death_info.reason),
        death_message=_line(row.death_info.message, 0),
    )


def _gpus(resources: Mapping[str, float]) -> float:
    """Only the exact key counts; a number that no node can have is none."""
    told = resources.get("GPU", 0.0)
    return told if 0 <= told <= _MOST_GPUS else 0.0


def _port(told: int) -> int:
    return told if 0 < told < 1 << 16 else 0


def _time(told: int) -> int:
    return told if told <= _LAST_MS else 0


def _id(told: bytes) -> str:
    return told[:_ID].hex()


def _short(text: str) -> str:
    """A name as it may stand in a line."""
    return "".join(c for c in text[:_LONGEST] if c.isprintable())


def _groups(reply: pb.GetAllPlacementGroupReply | Missing, version: str) -> Kept | Missing:
    if isinstance(reply, Missing):
        return reply
    is_gone = lambda g: tables.group_state(g.state, version) == "REMOVED"  # noqa: E731
    kept = _kept(reply.groups, is_gone, lambda _: 0)
    return Kept(tuple(_group(g, version) for g in kept.rows), kept.lost)


def _group(group: pb.PlacementGroupData, version: str) -> PlacementGroup:
    return PlacementGroup(
        id=_id(group.id),
        state=tables.group_state(group.state, version),
        strategy=tables.name(tables.STRATEGY, group.strategy),
        name=_short(group.name),
        bundles=tuple(_bundle(b) for b in group.bundles[:_MAX_BUNDLES]),
        detached=group.is_detached,
        creator_job=_id(group.creator_job_id),
        creator_job_dead=group.creator_job_dead,
        creator_actor_dead=group.creator_actor_dead,
        scheduling=tables.name(tables.SCHEDULING, group.stats.scheduling_state),
        attempts=group.stats.scheduling_attempt,
        asked_ms=group.stats.creation_request_received_ns // 1_000_000,
    )


def _bundle(bundle: pb.BundleData) -> Bundle:
    keys = islice(bundle.resources, _MAX_KEYS)
    pinned = (_short(k.removeprefix("node:")) for k in keys if k.startswith("node:"))
    return Bundle(
        index=bundle.id.index,
        gpus=_gpus(bundle.resources),
        node_id=_id(bundle.node_id),
        pinned_ip=next(pinned, ""),
    )


def _actors(reply: pb.GetAllActorInfoReply | Missing) -> Kept | Missing:
    """Those of the engine: what else runs in the cluster is nobody's business here."""
    if isinstance(reply, Missing):
        return reply
    dead = tables.ACTOR_STATE.index("DEAD")
    ours = [a for a in islice(reply.actors, _MAX_ROWS) if _is_engine(a)]
    kept = _kept(ours, lambda a: a.state == dead, lambda a: a.end_time_ms)
    beyond = max(0, len(reply.actors) - _MAX_ROWS)
    return Kept(tuple(_actor(a) for a in kept.rows), kept.lost + beyond)


def _is_engine(actor: pb.ActorData) -> bool:
    """A worker by its class, or any actor that holds GPUs of a placement group."""
    keys = islice(actor.required_resources, _MAX_KEYS)
    holds = any(k.startswith("GPU_group_") for k in keys)
    return holds or actor.class_name in tables.ENGINE_ACTORS


def _actor(actor: pb.ActorData) -> RayActor:
    return RayActor(
        id=_id(actor.actor_id),
        class_name=_short(actor.class_name),
        state=tables.name(tables.ACTOR_STATE, actor.state),
        name=_short(actor.name),
        pid=actor.pid,
        ip=_short(actor.address.ip),
        node_id=_id(actor.node_id or actor.address.node_id),
        gpu_indices=_gpu_indices(actor.resource_mapping),
        placement_group=_id(actor.placement_group_id),
        bundle=_bundle_index(actor.required_resources),
        start_ms=_time(actor.start_time_ms),
        end_ms=_time(actor.end_time_ms),
        death=_actor_death(actor.death_cause),
    )


def _gpu_indices(mapping: Iterable[pb.ResourceIndexes]) -> tuple[int, ...]:
    """Physical GPUs: entries named GPU, or GPU_group_... for those of a placement group."""
    found = {
        one.index
        for entry in islice(mapping, _MAX_KEYS)
        if entry.name == "GPU" or entry.name.startswith("GPU_group_")
        for one in islice(entry.ids, _MAX_KEYS)
        if one.quantity > 0 and 0 <= one.index <= _MOST_GPUS
    }
    return tuple(sorted(found))


def _bundle_index(resources: Mapping[str, float]) -> int | None:
    found = (_BUNDLE.match(key) for key in islice(resources, _MAX_KEYS))
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
    part = text[:_TEXT] if which == 0 else text[-_TEXT:]
    lines = [line.strip() for line in part.splitlines() if line.strip()]
    return "".join(c for c in lines[which] if c.isprintable())[:_LONGEST] if lines else ""
