"""Which layout is best, and what that means."""

import math

from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_fabric import carries
from distcheck.checks.knowledge.plan_words import spans_nodes

ORDER = (
    "best first: it fits; then fewest GPUs, if none were given; then the quickest answer to one"
    " request that the interconnect carries; a model that one GPU holds is copied, for throughput"
)
_SHORTENED, _ODD, _COPIES = 1.5, 4, 5
"""Beside places from 0 to 7: a length that was cut; PP inside a node; copies of a large model."""
_NEAR = 2
"""Nodes that one TP group may span: an all-reduce over more waits for its slowest hop."""


def rank(ask: Ask, one: PlannedLayout, unit: PlannedLayout | None = None) -> tuple[float, ...]:
    """The smallest is best. `unit` is the fewest GPUs of one node that hold one copy."""
    ladder = one.gpus if ask.gpus is None else 0
    place = _place(ask, one, unit) + (_SHORTENED if one.shortened else 0)
    return _fitness(one), ladder, place, one.pp, one.dp, -one.tp


def _fitness(one: PlannedLayout) -> int:
    """Fits, open, does not, never had a chance."""
    if one.refused and not one.shortened:
        return 2 if one.memory else 3
    return int(one.fits is not True)


def _place(ask: Ask, one: PlannedLayout, unit: PlannedLayout | None) -> float:
    """How well the cut suits the wires: 0 is best."""
    if one.dp > 1 and one.ep == 1:
        # A model that one GPU holds is better served by copies than by cutting it.
        small = unit is not None and unit.gpus == 1
        return math.log2(one.tp) / 100 - 1 if small else _COPIES
    crosses = one.nodes > 1 and spans_nodes(ask, one.tp)
    carried = carries(ask.fabric)
    if one.ep > 1:
        return 3 if one.nodes == 1 or carried == "tp" else 6
    if crosses:
        near = 0 if one.tp <= _NEAR * ask.gpus_per_node else 2
        return {"tp": near, "either": 2, "unknown": 3}.get(carried, 7)
    if one.nodes == 1:
        return 0 if one.pp == 1 else _ODD
    return 1 if one.pp == one.nodes else _ODD
