"""What is proven wrong with the shares of a group, in an operator's words."""

from distcheck.checks.evidence import Missing
from distcheck.checks.facts import sharding_remedies as remedies
from distcheck.checks.facts import sharding_words as words
from distcheck.checks.facts.group_pods import GroupPods
from distcheck.checks.facts.sharding_by_lines import Fault, Lines, cites_of, fault_by_lines
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_layouts import Expected
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.sharding_opinions import Clash, Opinions
from distcheck.checks.facts.sharding_world import WorldWitness
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import names


def fault_of(
    seen: WeightsSeen | Missing,
    held: MemoryHeld | Missing,
    told: Opinions,
    plan: WeightsPlan,
    world: WorldWitness | Missing,
    group: GroupPods,
) -> Fault | None:
    """What is proven wrong; None where nothing is."""
    if told.clashes:
        return _disagree(told.clashes, plan, world, group)
    shares = seen.shares if isinstance(seen, WeightsSeen) else ()
    fault = None
    if isinstance(seen, WeightsSeen) and told.wrong:
        fault = fault_by_lines(Lines(seen, held, plan, told.wrong, group))
    if fault is not None and fault.proven:
        return fault
    if outside := [share for share in shares if _outside(share, plan.wanted)]:
        return _elsewhere(outside, plan, group)
    if told.heavy:
        return _fail_by_memory(told.heavy, held, plan, world, group)
    return fault


def _disagree(
    clashes: tuple[Clash, ...],
    plan: WeightsPlan,
    world: WorldWitness | Missing,
    group: GroupPods,
) -> Fault:
    one = clashes[0]
    says = f"{one.share.subject}: its rank's line says {one.share.gib:.2f} GiB, which is "
    says += f"{words.parts(one.by_line)} of the model, but {words.by_memory(one.held, plan)}"
    by_line = any(plan.is_wanted(e) for e in one.by_line)
    if isinstance(world, WorldWitness) and (world.as_wanted or world.otherwise):
        alone = "NVML stands alone" if by_line == world.as_wanted else "the line stands alone"
        says += f"; {world.says}: {alone}"
    cites = tuple(c for x in clashes for c in (x.share.cite, x.held.cite, *x.held.own.cites))
    remedy = remedies.two_witnesses(group, one.share.pod, one.held.uuid, one.share.cite.source)
    if by_line and isinstance(world, WorldWitness) and world.as_wanted:
        return Fault(says, "witnesses_disagree", (*cites, *plan.cites), {}, False, remedy)
    subjects = dict.fromkeys(x.share.subject for x in clashes)
    return Fault(says, "witnesses_disagree", (*cites, *plan.cites), subjects, remedy=remedy)


def _outside(share: Share, want: Expected) -> bool:
    """Whether the rank has a place that the layout asked for does not have."""
    places = ((share.tp, want.tp), (share.pp, want.pp))
    return any(at is not None and not 0 <= at < size for at, size in places)


def _elsewhere(outside: list[Share], plan: WeightsPlan, group: GroupPods) -> Fault:
    one = outside[0]
    says = f"{counted(len(outside), 'rank')} {several(len(outside), 'has')} places that"
    says += f" {plan.wanted} does not have"
    says += f": one on {one.subject} is TP rank {one.tp}, PP rank {one.pp}"
    cites, subjects = cites_of(outside, plan), dict.fromkeys(s.subject for s in outside)
    remedy = remedies.other_layout(group, (s.pod for s in outside), plan.wanted)
    return Fault(says, "wrong_layout", cites, subjects, remedy=remedy)


def _fail_by_memory(
    heavy: tuple[HeldMemory, ...],
    held: MemoryHeld | Missing,
    plan: WeightsPlan,
    world: WorldWitness | Missing,
    group: GroupPods,
) -> Fault:
    want = plan.wanted
    fits = {e.degree: e for h in heavy for e in reversed(plan.by_memory(h))}
    says = f"{words.by_memory(heavy[0], plan)}, not 1/{want.degree} ({words.sizes(want)} GiB) "
    says += f"as {want} should"
    cites = tuple(words.cited(heavy))
    pods = [h.pod for h in heavy]
    if isinstance(world, WorldWitness) and world.as_wanted:
        says += f"; {world.says}: NVML and config.json stand alone"
        remedy = remedies.two_witnesses(group, pods[0], heavy[0].uuid, cites[0].source)
        return Fault(says, "witnesses_disagree", (*cites, *plan.cites), {}, False, remedy)
    subjects = dict.fromkeys(h.uuid for h in heavy)
    count, rest = divmod(plan.most, max(fits))
    blind = held.blind if isinstance(held, MemoryHeld) else {}
    if len(fits) == 1 and max(fits) < want.degree and count > 1 and not (rest or blind):
        says += f": it looks like {words.copies(count)} of {fits[max(fits)]}"
        remedy = remedies.one_engine(group, pods, want)
        return Fault(says, "replicated", (*cites, *plan.cites), subjects, remedy=remedy)
    says += f"; what the GPUs of {names(blind)} hold was not seen" if blind else ""
    remedy = remedies.other_layout(group, pods, want)
    return Fault(says, "wrong_degree", (*cites, *plan.cites), subjects, remedy=remedy)
