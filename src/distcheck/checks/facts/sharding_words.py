"""Words for shares, layouts and copies, as verdicts on sharding use them."""

from collections.abc import Iterable, Iterator, Sequence

from distcheck.checks.evidence import Cite
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_layouts import Expected
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen
from distcheck.checks.knowledge.names import in_turn

_MANY = 4
_COUNT = {1: "one", 2: "two", 3: "three", 4: "four"}


def number(count: int) -> str:
    """Small numbers as words."""
    return _COUNT.get(count, str(count))


def copies(count: int) -> str:
    """`two copies`."""
    return f"{number(count)} {'copy' if count == 1 else 'copies'}"


def parts(layouts: Iterable[Expected]) -> str:
    """`1/8 or 1/16`, `1/2 to 1/64`; `no share` where nothing fits.

    `1/8 (if loaded as fp8)` for a guess, where fewer than two shares fit without one.
    """
    found: dict[int, str] = {}
    for layout in sorted(layouts, key=lambda e: (e.degree, e.loaded_as)):
        found.setdefault(layout.degree, layout.loaded_as)
    sure = {degree: "" for degree, guess in found.items() if not guess}
    shown = sure if len(sure) > 1 else found
    told = [f"1/{d} (if loaded as {guess})" if guess else f"1/{d}" for d, guess in shown.items()]
    return (" or ".join(told) if len(told) <= _MANY else f"{told[0]} to {told[-1]}") or "no share"


def values(shares: Iterable[Share]) -> str:
    """`8.40 or 16.46`."""
    return " or ".join(dict.fromkeys(f"{s.gib:.2f}" for s in shares))


def sizes(layout: Expected) -> str:
    """What the ranks of `layout` hold: `8.25`, `2.99 or 13.50`, `64.38 to 65.97`."""
    every = (r for stage in layout.stages for r in stage)
    told = (f"{a:.2f}" if f"{a:.2f}" == f"{b:.2f}" else f"{a:.2f} to {b:.2f}" for a, b in every)
    return " or ".join(dict.fromkeys(told))


def who(seen: WeightsSeen) -> str:
    """Of which GPUs the lines speak."""
    if seen.witnessed == seen.gpus:
        return f"each of {seen.gpus} GPUs holds" if seen.gpus != 1 else "the one GPU holds"
    return f"{seen.witnessed} of {seen.gpus} GPUs were seen, and each holds"


def interval(held: HeldMemory, layout: Expected) -> str:
    """What NVML lets the weights be, were the layout the right one."""
    stage = held.stage if held.stage is not None and 0 <= held.stage < layout.pp else 0
    low, high = held.weights(layout, stage)
    return f"{low:.2f} to {max(0.0, high):.2f} GiB"


def by_memory(held: HeldMemory, plan: WeightsPlan) -> str:
    """`NVML lets the weights on GPU-1 be 0.00 to 12.1 GiB, which is 1/8 or 1/16 of the model`."""
    says = f"NVML lets the weights on {held.uuid} be {interval(held, plan.wanted)}"
    return f"{says}, which is {parts(plan.by_memory(held))} of the model"


def by_memories(memory: Sequence[HeldMemory], plan: WeightsPlan) -> list[str]:
    """As `by_memory`, of the first GPU alone, and how many more are like it, or open too."""
    if not memory:
        return []
    share = parts(plan.by_memory(memory[0]))
    alike = sum(parts(plan.by_memory(h)) == share for h in memory[1:])
    others = len(memory) - 1 - alike
    told = [f"{alike} more alike"] * (alike > 0) + [f"{others} others open too"] * (others > 0)
    return [by_memory(memory[0], plan) + (f" ({', '.join(told)})" if told else "")]


def cited(memory: Iterable[HeldMemory]) -> Iterator[Cite]:
    """What NVML shows, a GPU of each pod first; then the caches, each once."""
    every = in_turn(memory, lambda h: h.pod)
    yield from (h.cite for h in every)
    yield from dict.fromkeys(c for h in every for c in (*h.own.cites, *h.group.cites))


def allowed_for(plan: WeightsPlan) -> str:
    """What else is on the GPUs and was allowed for; empty where nothing is."""
    return f"; allowed for: {', '.join(plan.allowed.says)}" if plan.allowed.says else ""


def sleeps_now(seen: WeightsSeen, plan: WeightsPlan) -> str:
    """That the engine sleeps, where it says so itself or its GPUs hold less than was loaded."""
    if seen.emptied is not None:
        return f"; the engine sleeps now: NVML shows {seen.emptied:.2f} GiB on a GPU at most"
    return "; the engine sleeps now" if plan.allowed.asleep else ""


def replicated_as_asked(seen: WeightsSeen, plan: WeightsPlan) -> str:
    """How often the group holds the model, where a plan with data parallel asks for more than 1."""
    if plan.copies > 1:
        return f"; {copies(plan.copies)} of the model, as DP={plan.copies} asks"
    if plan.wanted.dp == 1 or not plan.one:
        return ""
    total = sum(s.gib * (1 + s.covers) for s in seen.shares)
    return f"; together {total / plan.one:.2f} times the model, as {plan.wanted} plans"
