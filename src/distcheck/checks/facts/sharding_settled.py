"""What memory decides of GPUs for which no line speaks."""

from msgspec import Struct

from distcheck.checks.evidence import Missing
from distcheck.checks.facts import sharding_words as words
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_layouts import Expected
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.names import alike

Layouts = tuple[Expected, ...]


def has_wanted(fits: Layouts, plan: WeightsPlan) -> bool:
    """Whether the wanted layout is among those that fit."""
    return any(plan.is_wanted(e) for e in fits)


def only_wanted(fits: Layouts, plan: WeightsPlan) -> bool:
    """Whether the wanted layout fits, and nothing of another degree."""
    return has_wanted(fits, plan) and {e.degree for e in fits} == {plan.wanted.degree}


class Settled(Struct, frozen=True):
    """What memory decides of the pods that lines do not speak for.

    `why` nothing shows the shares of `pods`; `vague` are GPUs of theirs that other layouts
    fit as well. `by_world`: whole worlds had to decide.
    """

    why: tuple[str, ...] = ()
    vague: tuple[HeldMemory, ...] = ()
    pods: tuple[str, ...] = ()
    by_world: bool = False

    def says(self, plan: WeightsPlan) -> tuple[str, ...]:
        """Each reason once, then what memory leaves open."""
        return (*alike(filter(None, self.why)), *words.by_memories(self.vague, plan))


def settle(
    memory: tuple[HeldMemory, ...],
    silent: dict[str, str],
    plan: WeightsPlan,
    held: MemoryHeld | Missing,
    *,
    whole: bool,
) -> Settled:
    """`silent` has, by pod, why lines do not speak for it; `whole`: whole worlds were seen."""
    on: dict[str, list[HeldMemory]] = {}
    for one in memory:
        on.setdefault(one.pod, []).append(one)
    why: dict[str, list[str]] = {}
    vague: list[HeldMemory] = []
    by_world = False
    for pod, reason in silent.items():
        mine = on.get(pod, [])
        fits = [plan.by_memory(h) for h in mine]
        if not mine or len(mine) < mine[0].pod_gpus:
            why[pod] = _unheard(pod, reason, len(mine), held)
        elif all(only_wanted(f, plan) for f in fits):
            continue
        elif whole and all(has_wanted(f, plan) for f in fits):
            by_world = True
        else:
            why[pod] = [reason]
            pairs = zip(mine, fits, strict=True)
            vague += [h for h, f in pairs if not only_wanted(f, plan)]
    every = tuple(text for texts in why.values() for text in texts)
    return Settled(every, tuple(vague), tuple(filter(None, why)), by_world)


def _unheard(pod: str, why: str, seen: int, held: MemoryHeld | Missing) -> list[str]:
    """Why neither lines nor memory tell the shares of a pod, of whose GPUs `seen` are in use."""
    if seen:
        return [why, f"NVML shows {counted(seen, 'GPU')} in use by {pod}"]
    blind = held.reason if isinstance(held, Missing) else held.blind.get(pod, "")
    told = [why, blind] if blind not in why and why not in blind else [max(why, blind, key=len)]
    return told if any(told) else [f"nothing was seen of {pod}"]
