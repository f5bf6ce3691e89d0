"""What each rank holds beside the others of its pipeline stage, which should hold the same."""

from typing import Self

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod
from distcheck.checks.facts.engine_lines import (
    gpu_of,
    ranks_by_pod,
)
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.weights_plan import WeightsPlan

_ALIKE = 2.5
"""GiB by which ranks of one server differ in the normal way."""
_CONTEXTS = 0.61
"""GiB of a context, which each other rank of the node may leave on the first GPU."""


class Balance(Struct, frozen=True):
    """One rank: what it holds, and what the plan predicts from the others of its stage (GiB)."""

    uuid: str
    pod: str
    stage: int
    used: float
    predicted: float
    room: float
    cite: Cite

    @property
    def odd(self) -> bool:
        """Whether it differs by more than ranks of one stage do."""
        return abs(self.used - self.predicted) > self.room


class Balances(Fact, frozen=True, kw_only=True):
    """Every rank of the group against its own stage; `stages` are the GiB of weights of each."""

    ranks: tuple[Balance, ...]
    cites: tuple[Cite, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From NVML, the plan, and the stage that each rank's line or title names."""
        held, plan = folded(MemoryHeld, evidence), folded(WeightsPlan, evidence)
        if isinstance(held, Missing) or isinstance(plan, Missing):
            return next(m for m in (held, plan) if isinstance(m, Missing))
        stages = _stages(evidence)
        lost = [h.uuid for h in held.held if _stage_of(h, stages, plan) is None]
        if lost:
            return Missing(f"nothing tells the pipeline stage of the rank on {lost[0]}")
        empty = _not_loaded(held, stages, plan)
        if empty:
            return Missing(empty)
        short = [
            held.blind.get(p.name, f"memory of {p.gpus - count} of {p.gpus} GPUs of {p.name}")
            for p in evidence.pods
            if (count := sum(h.pod == p.name for h in held.held)) < p.gpus
        ]
        return cls(ranks=_balances(held, stages, plan), cites=plan.cites, gaps=tuple(short))


def _stages(evidence: Evidence) -> dict[str, int]:
    """Pipeline stage by GPU, by the lines of the ranks there."""
    lines = ranks_by_pod(evidence)
    pods: dict[str, Pod] = {p.key: p for p in evidence.pods}
    return {
        uuid: line.pp
        for key, told in lines.items()
        for line in told
        if line.pp is not None and (uuid := gpu_of(evidence, pods[key], line))
    }


def _stage_of(held: HeldMemory, stages: dict[str, int], plan: WeightsPlan) -> int | None:
    found = 0 if plan.wanted.pp == 1 else stages.get(held.uuid, held.stage)
    return found if found is not None and 0 <= found < plan.wanted.pp else None


def _not_loaded(held: MemoryHeld, stages: dict[str, int], plan: WeightsPlan) -> str:
    """Where a rank holds less than its weights; empty where all may be loaded."""
    for one in held.held:
        stage = _stage_of(one, stages, plan)
        least = min(low for low, _ in plan.wanted.sizes(stage))
        if one.used < least:
            says = f"{one.uuid} holds {one.used:.2f} GiB, less than the {least:.2f} GiB of weights"
            return f"{says} that its rank should have: it has not loaded them"
    return ""


def _balances(held: MemoryHeld, stages: dict[str, int], plan: WeightsPlan) -> tuple[Balance, ...]:
    places: dict[int, list[HeldMemory]] = {}
    for one in held.held:
        places.setdefault(_stage_of(one, stages, plan) or 0, []).append(one)
    fullest = {h.pod: h.uuid for h in sorted(held.held, key=lambda h: h.used)}
    return tuple(
        _balance(one, stage, alike, plan, fullest=fullest[one.pod] == one.uuid)
        for stage, alike in sorted(places.items())
        for one in alike
    )


def _balance(
    one: HeldMemory, stage: int, alike: list[HeldMemory], plan: WeightsPlan, *, fullest: bool
) -> Balance:
    """One rank against the middle of its stage; the node's fullest has the others' contexts."""
    predicted = sorted(h.used for h in alike)[len(alike) // 2]
    sizes = [size for sized in plan.wanted.stages[stage] for size in sized]
    room = _ALIKE + max(sizes) - min(sizes)
    if fullest and one.used > predicted:
        room += _CONTEXTS * (one.pod_gpus - 1 if one.guests is None else one.guests)
    return Balance(one.uuid, one.pod, stage, one.used, predicted, room, one.cite)
