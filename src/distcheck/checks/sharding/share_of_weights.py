"""SHARD001."""

from collections import Counter

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts import sharding_words as words
from distcheck.checks.facts.engine_start import EngineStart
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.sharding import (
    Expected,
    MemoryHeld,
    WeightsPlan,
    WeightsSeen,
    WorldWitness,
)
from distcheck.checks.facts.sharding_faults import fault_of
from distcheck.checks.facts.sharding_opinions import Opinions, opinions_of
from distcheck.checks.facts.sharding_remedies import awake, see_more
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.verdict import Verdict, failed, passed, unknown


@check("SHARD001")
def share_of_weights(
    seen: WeightsSeen | Missing,
    held: MemoryHeld | Missing,
    plan: WeightsPlan,
    world: WorldWitness | Missing,
    start: EngineStart,
    group: GroupPods,
) -> Verdict:
    """Every GPU holds its share of the weights, 1/(TP x PP), no more.

    Proves:
        For every GPU, of all the ways to cut the model only the one asked for explains what
        was seen. First witness is the worker's own log line: what it loaded, against what its
        rank should hold, computed from the model's config.json. From vLLM 0.11.1 on only one
        worker a node prints the line; ranks of the same world and stage on that node are then
        taken to hold the same. Where no line is left, NVML gives an interval: what the rank
        holds, less the KV cache, less what else takes memory. vLLM fills every GPU to its
        limit, cut or not, so that interval alone often fits several degrees; whole worlds of
        the wanted size then settle it. Copies that data parallel asks for are no fault. It
        does not prove that nothing was offloaded to the CPU where no command line was read.

    Causes:
        replicated: each GPU holds more than its share, and the shares add up to whole copies
        wrong_degree: GPUs hold a share that belongs to another degree than the one asked for
        wrong_layout: ranks have places, or shares, that the layout asked for does not have
        witnesses_disagree: a worker's line and the memory of its GPU tell different shares

    Remedy:
        Compare --tensor-parallel-size and --pipeline-parallel-size of the running engines
        with the spec: a start script that counts the GPUs of its own pod makes each pod
        serve a copy of its own. Start one engine, on the leader only, with the full size.
        Where the witnesses disagree, look for logs of an earlier start, and for other
        processes on those GPUs.
    """
    told = opinions_of(seen, held, plan, world)
    fault = fault_of(seen, held, told, plan, world, group)
    if fault is not None and fault.proven:
        return failed(fault.says, fault.cause, fault.cites, fault.subjects, fault.remedy)
    if fault is not None:
        return unknown(fault.says, fault.cites, fault.cause, fault.remedy)
    cites = (*told.cites, *plan.cites, *start.cites)
    doubts = seen.gaps if isinstance(seen, WeightsSeen) else ()
    if told.open:
        says = f"{plan.servers.says}; " if plan.servers.says else ""
        says += f"cannot tell whether each GPU holds just 1/{plan.wanted.degree} of the model: "
        says += f"{'; '.join((*told.open, *doubts))}{words.allowed_for(plan)}"
        return unknown(says, cites, remedy=_see_more(group, told, plan))
    if isinstance(seen, WeightsSeen) and (uneven := _uneven(seen, plan.wanted)):
        return unknown(uneven, cites)
    return _as_far_as_seen(_pass(seen, told, plan, cites), plan, told, doubts)


def _as_far_as_seen(
    verdict: Verdict, plan: WeightsPlan, told: Opinions, doubts: tuple[str, ...]
) -> Verdict:
    """The pass, but for what contradicts it, or was not excluded."""
    if plan.servers.says:
        says = f"{plan.servers.says}; yet {verdict.says}"
        return unknown(says, (*plan.servers.cites, *verdict.cites))
    if told.unread:
        unseen = "; ".join((*doubts, told.unread))
        return unknown(f"{verdict.says}, as far as seen; not seen: {unseen}", verdict.cites)
    return verdict


def _see_more(group: GroupPods, told: Opinions, plan: WeightsPlan) -> str:
    return awake(group) if plan.allowed.may_sleep else see_more(group, told.undecided)


def _pass(
    seen: WeightsSeen | Missing, told: Opinions, plan: WeightsPlan, cites: tuple[Cite, ...]
) -> Verdict:
    want, said = plan.wanted, []
    subjects = dict.fromkeys(told.subjects)
    if isinstance(seen, WeightsSeen):
        said.append(f"{_who(seen, plan)} {words.values(seen.shares)} GiB of weights")
    if told.settled:
        gpus, held = counted(len(told.settled), "GPU"), words.interval(told.settled[0], want)
        said.append(f"NVML lets {gpus} hold {held} of weights{told.by_world}")
    part = f", 1/{want.degree} of the model" if want.dp == 1 else ""  # else some is on all ranks
    says = f"{'; '.join(said)}{part}, as {want} should"
    more = ""
    if isinstance(seen, WeightsSeen):
        more = f"{words.replicated_as_asked(seen, plan)}{words.sleeps_now(seen, plan)}"
    return passed(f"{says}{more}{words.allowed_for(plan)}", cites, subjects)


def _who(seen: WeightsSeen, plan: WeightsPlan) -> str:
    """What a rank loaded is no longer on its GPU while the engine sleeps."""
    gpus = f"{seen.witnessed} of {counted(max(seen.gpus, seen.asked), 'GPU')}"
    if plan.allowed.may_sleep:
        return f"the {several(seen.witnessed, 'rank')} of {gpus} loaded"
    return f"{gpus} {several(seen.witnessed, 'holds')}"


def _uneven(seen: WeightsSeen, want: Expected) -> str:
    """Stages with more or fewer ranks than the others; empty where all are alike."""
    stages: Counter[int | None] = Counter()
    for share in seen.shares:
        stages[share.pp] += 1 + share.covers
    told = {stage: count for stage, count in stages.items() if stage is not None}
    each = max(seen.witnessed, seen.gpus) / want.pp
    if any(count > each for count in told.values()):
        counts = ", ".join(f"{told[s]} of stage {s}" for s in sorted(told))
        says = f"{counted(seen.witnessed, 'rank')} loaded weights: {counts}"
        return f"{says}, where {want} has as many of each"
    return ""
