"""The workers of a placed group: one for each GPU bundle, alive, on a GPU of its own."""

from collections.abc import Iterable

from distcheck.checks.evidence.ray import PlacementGroup, RayActor
from distcheck.checks.facts.ray_engine import EngineGroups, gpus_of, is_starting
from distcheck.checks.facts.ray_pending import Plight
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import few, names

STARTS_WITHIN = 300.0
"""Seconds within which a worker that starts is no finding: torch is read from slow storage."""


def without_worker(groups: EngineGroups, group: PlacementGroup) -> Plight | None:
    """The first thing that keeps this CREATED group from having a worker on each GPU."""
    found = (step(groups, group) for step in (_died, _starting, _absent, _shared))
    return next((plight for plight in found if plight is not None), None)


def _lacking(groups: EngineGroups, group: PlacementGroup) -> list[int]:
    """GPU bundles, by index, that no worker is ALIVE in."""
    alive = [a for a in groups.workers(group) if a.state == "ALIVE"]
    inside = {a.bundle for a in alive}
    lacking = [b.index for b in group.bundles if b.gpus and b.index not in inside]
    unplaced = sum(a.bundle is None for a in alive)
    return lacking[unplaced:]


def _died(groups: EngineGroups, group: PlacementGroup) -> Plight | None:
    lacking = set(_lacking(groups, group))
    dead = [a for a in groups.workers(group) if a.state == "DEAD"]
    lost = [a for a in dead if a.bundle in lacking or (a.bundle is None and lacking)]
    if not lost or any(is_starting(a) for a in groups.workers(group)):
        return None
    one = lost[-1]
    where = groups.node_name(one.node_id) if one.node_id else "a node not told"
    why = f": {one.death}" if one.death else ""
    says = (
        f"{len(lost)} of {gpus_of(group):g} workers {several(len(lost), 'is')} dead; "
        f"bundle {one.bundle if one.bundle is not None else 'not told'} on {where}{why}"
    )
    remedy = "Read that worker's log, then restart the engine: it does not start a worker again."
    return Plight("workers_short", says, (where,), remedy)


def _starting(groups: EngineGroups, group: PlacementGroup) -> Plight | None:
    waiting = [a for a in groups.workers(group) if is_starting(a)]
    return not_ready(groups, waiting, int(gpus_of(group))) if waiting else None


def not_ready(groups: EngineGroups, waiting: list[RayActor], of: int) -> Plight:
    """Workers that are asked for and not there: with a process they hang, without one they wait."""
    begun = [a for a in waiting if a.pid]
    one = (begun or waiting)[0]
    count = f"{len(waiting)} of {of} workers {several(len(waiting), 'is')} not ready"
    if begun:
        where = groups.node_name(one.node_id) if one.node_id else one.ip
        says = f"{count}: pid {one.pid} on {where} has started and does not finish its start"
        remedy = (
            "Look at that process (`py-spy dump --pid`): it loads code from slow storage, or waits "
            "for a device, a lock or a peer."
        )
        return Plight("worker_not_ready", says, (where,), remedy)
    says = f"{count}: no process yet, as Ray has no resources for them"
    remedy = "Look at `ray status`: what they ask for is held by others, or no node has it."
    return Plight("worker_not_ready", says, (), remedy)


def _absent(groups: EngineGroups, group: PlacementGroup) -> Plight | None:
    lacking = _lacking(groups, group)
    if not lacking:
        return None
    where = {b.index: b.node_id for b in group.bundles}
    on = names(groups.node_name(where[i]) for i in lacking)
    have = int(gpus_of(group)) - len(lacking)
    says = (
        f"{have} of {gpus_of(group):g} workers are there: {counted(len(lacking), 'bundle')} "
        f"without one ({few([str(i) for i in lacking])}), on {on}"
    )
    remedy = "Read the engine's log on the head: it starts one worker for each bundle."
    return Plight("workers_short", says, (), remedy)


def _shared(groups: EngineGroups, group: PlacementGroup) -> Plight | None:
    whole = {
        (g.id, b.index) for g in (*groups.own, *groups.others) for b in g.bundles if b.gpus >= 1
    }
    seen: dict[tuple[str, int], RayActor] = {}
    for actor in groups.actors:
        for gpu in _held(actor, whole):
            other = seen.setdefault((actor.node_id, gpu), actor)
            if other is not actor and group.id in (actor.placement_group, other.placement_group):
                where = groups.node_name(actor.node_id)
                says = (
                    f"GPU {gpu} of {where} is given to two workers, pid {other.pid} and {actor.pid}"
                )
                return Plight("gpu_shared", says, (where,))
    return None


def _held(actor: RayActor, whole: Iterable[tuple[str, int]]) -> tuple[int, ...]:
    """Physical GPUs of a worker that has each for itself; fractions may be shared."""
    mine = actor.bundle is not None and (actor.placement_group, actor.bundle) in whole
    return actor.gpu_indices if mine and actor.state == "ALIVE" and actor.node_id else ()
