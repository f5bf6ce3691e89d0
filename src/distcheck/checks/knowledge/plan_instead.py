"""What to do instead: of a layout to avoid, and where no GPU was described."""

import math

from msgspec import structs

from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_candidates import candidates
from distcheck.checks.knowledge.plan_judge import judge
from distcheck.checks.knowledge.plan_words import BOUNDED_BY
from distcheck.checks.knowledge.weights import GIB, Layout

_KNOWN = (80, 141)
"""GiB of the GPUs that most have: H100, H200."""


def instead(ask: Ask, layouts: list[PlannedLayout]) -> list[PlannedLayout]:
    """The best one, where it is to be avoided, names a layout that the interconnect carries."""
    best = layouts[0]
    tp = math.gcd(best.tp, ask.gpus_per_node)
    if not best.avoided or tp == best.tp:
        return layouts
    other = judge(ask, Layout(tp, best.pp * best.tp // tp, best.dp))
    if other.refused or (best.fits and not other.fits):
        return layouts
    says = f"{best.advice} Use TP={other.tp} x PP={other.pp} instead."
    return [structs.replace(best, advice=says), *layouts[1:]]


def unsized(ask: Ask, layouts: list[PlannedLayout]) -> list[PlannedLayout]:
    """No recommendation where neither GPUs nor degrees were given: what to give, no flags."""
    if any((ask.gpu_bytes, ask.gpus, ask.tp, ask.pp, ask.dp)) or layouts[0].refused:
        return layouts
    says = " ".join((_weights(layouts[0]), *(_fewest(ask, gib) for gib in _KNOWN))).strip()
    return [structs.replace(one, advice=says, flags=()) for one in layouts]


def _weights(whole: PlannedLayout) -> str:
    sizes = [r.weights_bytes_high for r in whole.ranks if r.weights_bytes_high is not None]
    if whole.gpus != 1 or not sizes:
        return f"How many GPUs it takes is not known: neither are its weights. {BOUNDED_BY}"
    most = "" if whole.exact else "At most "
    return f"{most}{sizes[0] / GIB:.1f} GiB of weights; give --gpu-memory."


def _fewest(ask: Ask, gib: int) -> str:
    """The smallest rung of the ladder that fits for sure; nothing where none does."""
    sized = structs.replace(ask, gpu_bytes=gib * GIB)
    found = (judge(sized, cut) for cut in candidates(sized))
    fits = min((one.gpus for one in found if one.fits), default=0)
    return f"It takes {fits} GPU{'s' if fits > 1 else ''} of {gib} GiB." if fits else ""
