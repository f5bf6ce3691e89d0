"""How much of the weights each GPU holds, at least and at most."""

from collections.abc import Iterator
from typing import Self

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.sharding_allowances import sleeping
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_layouts import Expected
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.sharding_process import gpu_processes
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen

Range = tuple[float, float]


class WeightsBounds(Fact, frozen=True, kw_only=True):
    """GiB by GPU (or MIG slice): least and most, which are one where the rank itself tells."""

    gib: dict[str, Range]

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From the ranks' lines, else from NVML; Missing where neither tells of any GPU."""
        asleep = sleeping(evidence)
        if asleep is not None:
            return asleep
        held, told = folded(MemoryHeld, evidence), _told(evidence)
        rows = held.held if isinstance(held, MemoryHeld) else ()
        silent = [one for one in rows if one.uuid not in told]
        layouts = _layouts(evidence) if silent else ()
        found = {one.uuid: _interval(one, layouts) for one in silent} | told
        if found:
            return cls(gib=found)
        return held if isinstance(held, Missing) else Missing("no GPU of the group holds anything")


def _layouts(evidence: Evidence) -> tuple[Expected, ...]:
    plan = folded(WeightsPlan, evidence)
    if isinstance(plan, Missing):
        return ()
    return tuple(e for e in plan.layouts if e.degree <= plan.most)


def _interval(held: HeldMemory, layouts: tuple[Expected, ...]) -> Range:
    """Over every layout: what a token takes of the cache depends on it."""
    ranges = [held.weights(e, stage) for e in layouts for stage in range(e.pp)]
    if not ranges:
        most = min(held.own.gib(None)[1], held.group.gib(None)[1])
        ranges = [(max(0.0, held.used - most - held.others[1]), held.used - held.others[0])]
    low = min(low for low, _ in ranges)
    return low, max(low, *(high for _, high in ranges))


def _told(evidence: Evidence) -> dict[str, Range]:
    seen = folded(WeightsSeen, evidence)
    shares = seen.shares if isinstance(seen, WeightsSeen) else ()
    told = {s.uuid: (s.gib, s.gib) for s in shares if s.uuid}
    return dict(_covered(evidence, shares)) | told


def _covered(evidence: Evidence, shares: tuple[Share, ...]) -> Iterator[tuple[str, Range]]:
    """GPUs of a pod in which one rank speaks for all others."""
    for pod in evidence.pods:
        own = [s for s in shares if s.pod == pod.name]
        gpus = {p.uuid for p in gpu_processes(evidence, pod)}
        if len(own) == 1 and 1 + own[0].covers == len(gpus):
            yield from ((uuid, (own[0].gib, own[0].gib)) for uuid in gpus)
