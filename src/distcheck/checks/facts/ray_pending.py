"""Why Ray does not place the engine's group: three causes that look alike, and two more."""

from collections import Counter

from msgspec import Struct

from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.ray import PlacementGroup, RayNode
from distcheck.checks.facts.ray_engine import (
    EngineGroups,
    gpus_of,
    is_leaked,
    named,
    pinned,
    placed,
)
from distcheck.checks.facts.ray_member import in_words
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import names

SPINNING = 10_000
"""Attempts beyond which GCS does nothing else: a group that cannot be placed again is tried
without a pause (seen in Ray 2.40 and 2.60)."""


class Plight(Struct, frozen=True):
    """What is wrong with a group: its cause, the sentence, who it is about, what to do."""

    cause: str
    says: str
    subjects: tuple[str, ...] = ()
    remedy: str | None = None
    cites: tuple[Cite, ...] = ()


def why_unplaced(groups: EngineGroups, group: PlacementGroup) -> Plight:
    """Why this PENDING group stays so; the order is from what is certain to what is left."""
    rows = [r for m in groups.membership.members for r in m.rows]
    steps = (_no_such_node, _too_few, _wrong_shape, _held, _driver_full)
    found = (step(groups, group, rows) for step in steps)
    return next((p for p in found if p is not None), None) or _other(group, rows)


def _waits(group: PlacementGroup) -> str:
    return f"the engine's placement group waits for {counted(int(gpus_of(group)), 'GPU')}"


def _no_such_node(
    _groups: EngineGroups, group: PlacementGroup, rows: list[RayNode]
) -> Plight | None:
    ip = pinned(group)
    if not ip or ip in {r.ip for r in rows}:
        return None
    has = names(r.ip for r in rows) or "no node"
    return Plight(
        "host_ip_mismatch",
        f"the engine wants a GPU of node {ip}, and Ray has no such node: it has {has}",
        remedy="Set VLLM_HOST_IP of each pod to the address by which Ray knows that pod, or unset "
        "it; with a second network, give the same address to `ray start --node-ip-address`.",
    )


def _too_few(groups: EngineGroups, group: PlacementGroup, rows: list[RayNode]) -> Plight | None:
    have, need = sum(r.gpus for r in rows), gpus_of(group)
    if have >= need:
        return None
    missing = [m for m in groups.membership.expected if not m.rows or m.registered < m.gpus]
    why = "; ".join(_short(m.plight, m.label, m.registered, m.gpus, m.rows) for m in missing)
    dead = [m for m in groups.membership.others if not m.rows]
    why = why or "; ".join(m.plight for m in dead)
    more = f": {why}" if why else ""
    return Plight(
        "pg_pending",
        f"{_waits(group)}, and Ray has {have:g} on {in_words(len(rows))}{more}",
        tuple(m.name for m in missing or dead),
        "Bring the missing GPUs to Ray (RAY001 and RAY002 say who did not bring them); the engine "
        "starts by itself once they are there, for up to 30 minutes.",
    )


def _short(plight: str, label: str, have: float, want: int, rows: tuple[RayNode, ...]) -> str:
    return f"{label} brought {have:g} of its {want}" if rows else plight


def _wrong_shape(
    _groups: EngineGroups, group: PlacementGroup, rows: list[RayNode]
) -> Plight | None:
    bundles = sum(bool(b.gpus) for b in group.bundles)
    with_gpus = sum(bool(r.gpus) for r in rows)
    largest = max((r.gpus for r in rows), default=0.0)
    if group.strategy == "STRICT_SPREAD" and bundles > with_gpus:
        why = f"STRICT_SPREAD wants {bundles} nodes, and {with_gpus} have GPUs"
    elif group.strategy == "STRICT_PACK" and gpus_of(group) > largest:
        why = f"STRICT_PACK wants all of them on one node, and the largest has {largest:g}"
    else:
        return None
    remedy = "No GPU that is added to these nodes helps: ask for another layout or strategy."
    return Plight("pg_pending", f"{_waits(group)} that cannot be placed: {why}", (), remedy)


def _held(groups: EngineGroups, group: PlacementGroup, rows: list[RayNode]) -> Plight | None:
    free = _free(groups, rows)
    if free >= gpus_of(group):
        return None
    return _by_whom(groups, group, None, f"{_waits(group)}, and {free:g} are free")


def _driver_full(groups: EngineGroups, group: PlacementGroup, rows: list[RayNode]) -> Plight | None:
    ip = pinned(group)
    here = [r for r in rows if r.ip == ip]
    need = next((b.gpus for b in group.bundles if b.pinned_ip == ip), 0.0)
    if not here or not need or _free(groups, here) >= need:
        return None
    name = groups.node_name(here[0].id)
    says = (
        f"{_waits(group)}; {_free(groups, rows):g} are free, "
        f"but none on {name}, where the engine's driver runs and must have one"
    )
    found = _by_whom(groups, group, here[0].id, says)
    if found.cause == "leaked_placement_group":
        return found
    return Plight(
        "driver_node_full",
        found.says,
        (name,),
        "Free a GPU of that node, or start the engine in a pod whose node has one free: vLLM ties "
        "its first worker to the node of its driver.",
        found.cites,
    )


def _free(groups: EngineGroups, rows: list[RayNode]) -> float:
    """GPUs that no group or task holds; by the placed bundles where GCS does not tell."""
    if all(r.gpus_available is not None for r in rows):
        return sum(r.gpus_available or 0.0 for r in rows)
    ids = {r.id for r in rows}
    every = (*groups.own, *groups.others)
    taken = sum(b.gpus for g in every for b in g.bundles if b.node_id in ids)
    return sum(r.gpus for r in rows) - taken


def _by_whom(groups: EngineGroups, group: PlacementGroup, node: str | None, says: str) -> Plight:
    """Who holds the GPUs, of `node` or of all nodes; one that nobody uses is the cause."""
    others = [g for g in (*groups.others, *groups.own) if g.id != group.id]
    on = {g.id: _on(g, node) for g in others}
    holders = [g for g in others if on[g.id]]
    leaked = [g for g in holders if is_leaked(groups, g)]
    told = [f"{named(g)} holds {on[g.id]:g}{_state(g, g in leaked)}" for g in leaked or holders]
    cites = tuple(groups.cite(g) for g in holders)
    if leaked:
        ids = ", ".join(g.name or g.id for g in leaked)
        remedy = (
            f"Remove what is left over ({ids}): `ray.util.remove_placement_group`, or restart the "
            "head and the workers."
        )
        return Plight("leaked_placement_group", f"{says}: {'; '.join(told)}", (), remedy, cites)
    alone = _alone(groups)
    told += [f"{counted(alone, 'actor')} without a placement group {several(alone, 'holds')} some"]
    told = told if alone else told[:-1]
    why = f": {'; '.join(told)}" if told else ""
    remedy = "End what holds the GPUs, or give this engine a Ray cluster of its own."
    return Plight("pg_pending", f"{says}{why}", (), remedy, cites)


def _on(group: PlacementGroup, node: str | None) -> float:
    return sum(b.gpus for b in group.bundles if b.node_id and node in (None, b.node_id))


def _state(group: PlacementGroup, is_leak: bool) -> str:
    if is_leak:
        return ", detached, and nobody uses it any more"
    return f" for job {group.creator_job}" if group.creator_job else ""


def _alone(groups: EngineGroups) -> int:
    return sum(
        a.state == "ALIVE" and bool(a.gpu_indices) and not a.placement_group for a in groups.actors
    )


def _other(group: PlacementGroup, rows: list[RayNode]) -> Plight:
    free = sum(r.gpus_available or 0.0 for r in rows)
    says = f"{_waits(group)}, though {free:g} are free ({group.scheduling or group.state})"
    remedy = (
        "Look at `ray status -v`: a bundle may ask for CPUs, memory or a custom resource that no "
        "node has."
    )
    return Plight("pg_pending", says, (), remedy)


def why_broken(groups: EngineGroups, group: PlacementGroup) -> Plight | None:
    """A group that had its place, and lost a part of it with a node; None where it did not."""
    alive = {r.id for m in groups.membership.members for r in m.rows}
    on = Counter(placed(group))
    lost = int(gpus_of(group)) - sum(n for node, n in on.items() if node in alive)
    if not lost or (group.state != "RESCHEDULING" and not set(on) - alive):
        return None
    gone = [m for m in groups.membership.members if not m.rows and m.dead]
    ended = [m for m in gone if not group.asked_ms or m.dead[0].end_ms >= group.asked_ms]
    why = "; ".join(m.plight for m in ended) or "the node that had them is gone"
    says = f"{lost} of {gpus_of(group):g} GPUs of the engine's placement group are lost: {why}"
    if group.attempts > SPINNING:
        says += f"; GCS has tried {group.attempts} times to place them, and is spinning"
    return Plight(
        "node_dead" if ended else "pg_pending",
        says,
        tuple(m.name for m in ended),
        "Restart the engine: its group does not heal, and removing it ends the spinning of GCS. "
        "Bring the lost node back first.",
    )
