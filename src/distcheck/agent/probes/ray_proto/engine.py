"""Placement groups and the engine's workers, from GCS's messages."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.agent.probes.ray_proto.values import (
    MAX_ROWS,
    MOST_GPUS,
    Kept,
    gpus,
    hex_id,
    kept,
    line_of,
    short,
    time_ms,
)
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import Bundle, PlacementGroup, RayActor

_MAX_BUNDLES, _MAX_KEYS = 4096, 256
_BUNDLE = re.compile(r"bundle_group_([0-9]{1,6})_[0-9a-f]{1,80}\Z")


def decode_groups(reply: pb.GetAllPlacementGroupReply | Missing, version: str) -> Kept | Missing:
    """All that are not REMOVED; their states are numbered by the version of Ray."""
    if isinstance(reply, Missing):
        return reply
    is_gone = lambda g: tables.group_state(g.state, version) == "REMOVED"  # noqa: E731
    found = kept(reply.groups, is_gone, lambda _: 0)
    return Kept(tuple(_group(g, version) for g in found.rows), found.lost)


def _group(group: pb.PlacementGroupData, version: str) -> PlacementGroup:
    return PlacementGroup(
        id=hex_id(group.id),
        state=tables.group_state(group.state, version),
        strategy=tables.name(tables.STRATEGY, group.strategy),
        name=short(group.name),
        bundles=tuple(_bundle(b) for b in group.bundles[:_MAX_BUNDLES]),
        detached=group.is_detached,
        creator_job=hex_id(group.creator_job_id),
        creator_job_dead=group.creator_job_dead,
        creator_actor_dead=group.creator_actor_dead,
        scheduling=tables.name(tables.SCHEDULING, group.stats.scheduling_state),
        attempts=group.stats.scheduling_attempt,
        asked_ms=group.stats.creation_request_received_ns // 1_000_000,
    )


def _bundle(bundle: pb.BundleData) -> Bundle:
    keys = islice(bundle.resources, _MAX_KEYS)
    pinned = (short(k.removeprefix("node:")) for k in keys if k.startswith("node:"))
    return Bundle(
        index=bundle.id.index,
        gpus=gpus(bundle.resources),
        node_id=hex_id(bundle.node_id),
        pinned_ip=next(pinned, ""),
    )


def decode_actors(reply: pb.GetAllActorInfoReply | Missing) -> Kept | Missing:
    """Those of the engine: what else runs in the cluster is nobody's business here."""
    if isinstance(reply, Missing):
        return reply
    dead = tables.ACTOR_STATE.index("DEAD")
    ours = [a for a in islice(reply.actors, MAX_ROWS) if _is_engine(a)]
    found = kept(ours, lambda a: a.state == dead, lambda a: a.end_time_ms)
    beyond = max(0, len(reply.actors) - MAX_ROWS)
    return Kept(tuple(_actor(a) for a in found.rows), found.lost + beyond)


def _is_engine(actor: pb.ActorData) -> bool:
    """A worker by its class, or any actor that holds GPUs of a placement group."""
    keys = islice(actor.required_resources, _MAX_KEYS)
    holds = any(k.startswith("GPU_group_") for k in keys)
    return holds or actor.class_name in tables.ENGINE_ACTORS


def _actor(actor: pb.ActorData) -> RayActor:
    return RayActor(
        id=hex_id(actor.actor_id),
        class_name=short(actor.class_name),
        state=tables.name(tables.ACTOR_STATE, actor.state),
        name=short(actor.name),
        pid=actor.pid,
        ip=short(actor.address.ip),
        node_id=hex_id(actor.node_id or actor.address.node_id),
        gpu_indices=_gpu_indices(actor.resource_mapping),
        placement_group=hex_id(actor.placement_group_id),
        bundle=_bundle_index(actor.required_resources),
        start_ms=time_ms(actor.start_time_ms),
        end_ms=time_ms(actor.end_time_ms),
        death=_actor_death(actor.death_cause),
    )


def _gpu_indices(mapping: Iterable[pb.ResourceIndexes]) -> tuple[int, ...]:
    """Physical GPUs: entries named GPU, or GPU_group_... for those of a placement group."""
    found = {
        one.index
        for entry in islice(mapping, _MAX_KEYS)
        if entry.name == "GPU" or entry.name.startswith("GPU_group_")
        for one in islice(entry.ids, _MAX_KEYS)
        if one.quantity > 0 and 0 <= one.index <= MOST_GPUS
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
        return line_of(cause.creation.text, -1)
    if context == "died":
        reason = tables.name(tables.ACTOR_DEATH, cause.died.reason)
        return ", ".join(filter(None, (reason, line_of(cause.died.message, 0))))
    return line_of(getattr(cause, context).message, 0)
