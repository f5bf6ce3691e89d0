"""SHARD004."""

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts import sharding_remedies as remedies
from distcheck.checks.facts.allocation import GpusGiven
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.sharding_gpus import RankOnGpu, RanksOnGpus, Tenant
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import in_turn
from distcheck.checks.verdict import Verdict, failed, passed, unknown, warned


@check("SHARD004", weight="supporting")
def one_rank_a_gpu(
    seen: RanksOnGpus | Missing, given: GpusGiven | Missing, group: GroupPods
) -> Verdict:
    """Every GPU of the group has exactly one rank.

    Proves:
        NVML shows on each GPU (or MIG slice) of the group's pods one process of theirs that
        is a rank, by its title or by what it holds, and nobody else who holds memory there.
        Which GPUs those are is the kubelet's word where an agent could ask it, else the limits
        of the pods and what the device plugin wrote into the environment of the container.
        It does not prove that these ranks are of one world: see SHARD002.

    Causes:
        gpu_unused: a pod of the group has GPUs on which no rank runs
        gpu_shared: two ranks are on one GPU, or must be; or somebody else holds memory there
        gpu_not_allocated: a rank is on a GPU that was given to another container

    Remedy:
        GPUs without a rank: compare TP x PP (x DP) with the GPU limits of the pods, and see
        whether the engine's Ray or node rank sees every node. Two ranks on one GPU: look at
        CUDA_VISIBLE_DEVICES, and at how many engines run in each pod. Shares of one GPU are no
        two GPUs: set failRequestsGreaterThanOne in the device plugin's time-slicing, and give
        the pods nodes whose GPUs are not shared. A rank on a GPU of
        another container: a privileged pod sees every GPU of its node, so take the privilege
        away or set NVIDIA_VISIBLE_DEVICES. Somebody else's process: look for time-slicing
        and for pods that bypass the device plugin.
    """
    if isinstance(given, GpusGiven) and given.doubled:
        return _shares(given)
    return unknown(seen.reason) if isinstance(seen, Missing) else _judged(seen, given, group)


def _judged(seen: RanksOnGpus, given: GpusGiven | Missing, group: GroupPods) -> Verdict:
    cites = tuple(r.cite for r in in_turn(seen.ranks, lambda r: r.pod))
    stray = [r for r in seen.ranks if r.allocated is False]
    if doubled := seen.doubled:
        return _doubled(doubled, group)
    if stray:
        one = stray[0]
        says = f"{counted(len(stray), 'rank')} {several(len(stray), 'is')} on GPUs that were not"
        says += " given to their container: "
        says += f"pid {one.pid} of {one.pod} on {one.uuid}"
        uuids = dict.fromkeys(r.uuid for r in stray)
        remedy = remedies.not_given(group, one.pod, one.uuid)
        return failed(says, "gpu_not_allocated", (r.cite for r in stray), uuids, remedy)
    if seen.unused:
        busy = seen.gpus - sum(seen.unused.values())
        where = ", ".join(f"{count} of {pod}" for pod, count in seen.unused.items())
        says = f"{busy} of {counted(seen.gpus, 'GPU')} used: no rank is on {where}"
        used = {r.uuid for r in seen.ranks}
        idle = () if isinstance(given, Missing) else given.unused(used, seen.unused)
        remedy = _use_all(seen, group)
        return failed(says, "gpu_unused", (*cites, *(g.cite for g in idle)), seen.unused, remedy)
    if seen.tenants:
        return _shared(seen.tenants)
    if (seen.asked or 0) > seen.gpus:
        says = f"{seen.asked} GPUs are asked for; the pods that are known have {seen.gpus}"
        return unknown(says, cites)
    return passed(_says(seen), cites, dict.fromkeys(r.uuid for r in seen.ranks))


def _use_all(seen: RanksOnGpus, group: GroupPods) -> str:
    """What helps depends on what is asked for, and on whether an engine of that runs."""
    if seen.world is not None and seen.world < seen.gpus:
        return remedies.too_small(group, seen.unused, seen.layout, seen.world)
    if seen.as_asked:
        return remedies.ended(group, seen.unused, seen.layout)
    return remedies.idle(group, seen.unused, seen.layout, seen.otherwise)


def _says(seen: RanksOnGpus) -> str:
    """Of which GPUs it holds: where not all were seen, the gaps tell which were not."""
    ranks, on = len(seen.ranks), len({r.uuid for r in seen.ranks})
    where = f"{on} of {counted(seen.gpus, 'GPU')}" if on < seen.gpus else counted(on, "GPU")
    each = ", one on each" if ranks > 1 else ""
    return f"{counted(ranks, 'rank')} {several(ranks, 'is')} on {where}{each}"


def _shared(tenants: tuple[Tenant, ...]) -> Verdict:
    on: dict[str, list[Tenant]] = {}
    for tenant in tenants:
        on.setdefault(tenant.uuid, []).append(tenant)
    first, *others = next(iter(on.values()))
    says = f"others are on {counted(len(on), 'GPU')} of the group: {first.cite.what}"
    if others:
        every = [t.gib for t in (first, *others)]
        known = sum(gib for gib in every if gib is not None)
        says += f", and {len(others)} more there: {known:.2f} GiB together"
    remedy = remedies.tenant(first.whose, first.node, first.pid)
    return warned(says, "gpu_shared", (t.cite for t in tenants), on, remedy)


def _doubled(doubled: dict[str, tuple[RankOnGpu, ...]], group: GroupPods) -> Verdict:
    uuid, ranks = next(iter(doubled.items()))
    who = ", ".join(f"pid {r.pid} of {r.pod}" for r in ranks)
    count = len(doubled)
    says = (
        f"{counted(count, 'GPU')} {several(count, 'has')} more than one rank: {who} are on {uuid}"
    )
    cites: tuple[Cite, ...] = tuple(r.cite for found in doubled.values() for r in found)
    remedy = remedies.same_gpu(group, (r.pod for r in ranks))
    return failed(says, "gpu_shared", cites, doubled, remedy)


def _shares(given: GpusGiven) -> Verdict:
    same = [g for g in given.doubled if g.uuid == given.doubled[0].uuid]
    says = "the GPUs given to the group are fewer than its ranks: "
    says += ", ".join(g.cite.what for g in same)
    uuids = dict.fromkeys(g.uuid for g in given.doubled)
    return failed(says, "gpu_shared", (g.cite for g in given.doubled), uuids)
