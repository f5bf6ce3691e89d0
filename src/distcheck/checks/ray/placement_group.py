"""RAY003."""

from collections import Counter

from distcheck.checks.check import check
from distcheck.checks.evidence.ray import PlacementGroup
from distcheck.checks.facts.ray_engine import (
    EngineGroups,
    gpus_of,
    is_starting,
    named,
    placed,
    width,
)
from distcheck.checks.facts.ray_pending import Plight, why_broken, why_unplaced
from distcheck.checks.facts.ray_workers import STARTS_WITHIN, not_ready, without_worker
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned


@check("RAY003", weight="supporting")
def placement_group(groups: EngineGroups) -> Verdict:
    """The engine's placement group is placed and covers every GPU.

    Proves:
        Ray has reserved TP x PP GPUs for each copy of the model, on nodes that are alive, and a
        worker of the engine is alive in each of them, on a GPU that Ray gave to no other. It
        does not prove that the workers have met, or loaded anything.

    Causes:
        pg_pending: the group waits: GPUs or a node are missing, or another group holds them
        leaked_placement_group: the GPUs are held by a detached group that nobody uses any more
        driver_node_full: GPUs are free, but none on the node of the engine's driver, where its
            first worker must be
        host_ip_mismatch: the engine wants a GPU of an address that no node of Ray has:
            VLLM_HOST_IP is not what Ray calls that pod
        node_dead: a node of the group died, and its part of the group is not placed again
        group_too_small: the engine asked for fewer GPUs than the layout or the pods have
        workers_short: a GPU of the group has no worker, or its worker died
        worker_not_ready: a worker hangs in its start, or still waits for resources
        gpu_shared: Ray gave one GPU to two workers

    Remedy:
        pg_pending: bring the missing GPUs to Ray (RAY001, RAY002), or end what holds them.
        leaked_placement_group: remove it, or restart the Ray head and its workers.
        driver_node_full: free a GPU of that node, or start the engine where one is free.
        host_ip_mismatch: VLLM_HOST_IP must be the address that Ray uses, or unset.
        node_dead, workers_short: restart the engine; it starts no worker a second time.
        group_too_small: compare the engine's --tensor-parallel-size with the manifest.
    """
    if not groups.uses_ray:
        return skipped("the group does not use Ray", groups.cites)
    if not groups.own:
        return _without_group(groups)
    for step in (_unplaced, _young, _lost, _small, _workers, _part):
        verdict = step(groups)
        if verdict is not None:
            return verdict
    return _pass(groups)


def _without_group(groups: EngineGroups) -> Verdict:
    waiting = [a for a in groups.actors if is_starting(a) and not a.placement_group]
    if waiting:
        alive = sum(a.state == "ALIVE" and not a.placement_group for a in groups.actors)
        return _fail(groups, not_ready(groups, waiting, alive + len(waiting)))
    if groups.aside is not None:
        says = f"{groups.aside.what}, which asks Ray for no placement group"
        return skipped(says, [groups.aside])
    ended = f"; {counted(groups.removed, 'earlier one')} ended" if groups.removed else ""
    return unknown(f"the engine has no placement group in Ray{ended}", groups.cites)


def _unplaced(groups: EngineGroups) -> Verdict | None:
    for group in groups.own:
        if group.state == "PENDING" and not _is_queued(group):
            return _fail(groups, why_unplaced(groups, group), group)
    return None


def _is_queued(group: PlacementGroup) -> bool:
    """GCS has not tried yet, or tries for the first time: that says nothing."""
    first = group.scheduling == "SCHEDULING_STARTED" and group.attempts <= 1
    return group.scheduling == "QUEUED" or first


def _lost(groups: EngineGroups) -> Verdict | None:
    for group in groups.own:
        plight = why_broken(groups, group)
        if plight is not None:
            return _fail(groups, plight, group)
    return None


def _young(groups: EngineGroups) -> Verdict | None:
    for group in groups.own:
        if group.state in ("PENDING", "PREPARED"):
            says = f"{named(group)} is being placed ({group.scheduling or group.state})"
            return unknown(f"{says}: look again in some seconds", [groups.cite(group)])
        if group.state not in ("CREATED", "RESCHEDULING"):
            says = f"{named(group)} is in state {group.state}, which this version does not know"
            return unknown(says, [groups.cite(group)])
    return None


def _small(groups: EngineGroups) -> Verdict | None:
    """Less than one group of TP x PP for each copy; several small ones are no large one."""
    have = sum(map(width, groups.own))
    narrow = [g for g in groups.own if width(g) < (groups.size or 0)]
    if groups.size is None or (have >= groups.size * groups.copies and not narrow):
        return None
    copies = f" x DP = {groups.copies}" if groups.copies > 1 else ""
    wanted = f"TP x PP = {groups.size}{copies}"
    what = f"{have} GPUs of Ray"
    if len(groups.own) > 1:
        what += f" in {len(groups.own)} placement groups"
    says = f"the engine reserved {what}, and {wanted} is asked for: {_where(groups)}"
    cites = [groups.cite(g) for g in groups.own]
    return failed(says, "group_too_small", cites, remedy=_SMALL)


_SMALL = (
    "Compare --tensor-parallel-size and --pipeline-parallel-size of the engine that runs with "
    "those that the manifest means: a start script that counts the GPUs of its own pod gives each "
    "pod an engine of its own."
)


def _part(groups: EngineGroups) -> Verdict | None:
    """Nothing says the layout, and the pods have more GPUs than the engine asked for."""
    have = sum(gpus_of(g) for g in groups.own)
    if groups.size is not None or groups.gpus is None or have >= groups.gpus:
        return None
    says = f"the engine reserved {have:g} of {groups.gpus} GPUs: {_where(groups)}"
    return warned(says, "group_too_small", [groups.cite(g) for g in groups.own])


def _workers(groups: EngineGroups) -> Verdict | None:
    if groups.gaps:
        return None
    for group in groups.own:
        plight = without_worker(groups, group)
        if plight is None:
            continue
        age = groups.age_seconds(group.asked_ms)
        if age is not None and age < STARTS_WITHIN and plight.cause == "worker_not_ready":
            return unknown(f"{plight.says}; asked for {age:.0f} s before", [groups.cite(group)])
        if age is not None and age < STARTS_WITHIN and not groups.workers(group):
            says = f"no worker has started yet in {named(group)}, asked for {age:.0f} s before"
            return unknown(says, [groups.cite(group)])
        return _fail(groups, plight, group)
    return None


def _fail(groups: EngineGroups, plight: Plight, group: PlacementGroup | None = None) -> Verdict:
    own = groups.cites if group is None else (groups.cite(group),)
    cites = (*own, *plight.cites)
    return failed(plight.says, plight.cause, cites, plight.subjects, plight.remedy)


def _pass(groups: EngineGroups) -> Verdict:
    total = sum(gpus_of(g) for g in groups.own)
    count = len(groups.own)
    told = "the placement group is" if count == 1 else f"{count} placement groups are"
    says = f"{told} placed, with a worker on each of {total:g} GPUs: {_where(groups)}"
    return passed(says, [groups.cite(g) for g in groups.own])


def _where(groups: EngineGroups) -> str:
    """`8 on vllm-head-0 and 8 on vllm-worker-0`, or `8 on each of 8 nodes`."""
    on = Counter(groups.node_name(node) for g in groups.own for node in placed(g))
    if len(on) > 3 and len(set(on.values())) == 1:
        return f"{next(iter(on.values()))} on each of {len(on)} nodes"
    parts = [f"{n} on {name}" for name, n in sorted(on.items())[:8]]
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:]))) or "none placed"
