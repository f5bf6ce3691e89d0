"""Which layouts to propose, and which of them is best."""

import math
from collections.abc import Iterable, Iterator, Mapping

from msgspec import structs

from distcheck.checks.knowledge.plan import Ask, Plan, PlanModel, PlannedLayout
from distcheck.checks.knowledge.plan_candidates import EXPERTS, candidates, cuts, divisors
from distcheck.checks.knowledge.plan_fabric import carries
from distcheck.checks.knowledge.plan_instead import instead, unsized
from distcheck.checks.knowledge.plan_judge import judge
from distcheck.checks.knowledge.plan_room import text_sizes
from distcheck.checks.knowledge.plan_words import spans_nodes
from distcheck.checks.knowledge.weights import Layout
from distcheck.checks.knowledge.weights.families import architecture

_MOST_LAYOUTS = 16
_SHORTENED, _ODD, _COPIES = 1.5, 4, 5
"""Beside places from 0 to 7: a length that was cut; PP inside a node; copies of a large model."""
_NEAR = 2
"""Nodes that one TP group may span: an all-reduce over more waits for its slowest hop."""


def plan(ask: Ask, name: str, source: str) -> Plan:
    """Layouts for `ask`, best first; a fixed one alone where it is fixed."""
    found = [judge(ask, layout) for layout in candidates(ask)]
    unit = _unit(ask)
    ordered = sorted(found, key=lambda one: _score(ask, one, unit))
    if ask.gpus is None and len(ordered) > 1:
        ordered = list({one.gpus: one for one in reversed(ordered)}.values())[::-1]
    ordered = unsized(ask, instead(ask, ordered[:_MOST_LAYOUTS]))
    return Plan(
        model=model_of_plan(ask.config, name, source, ordered),
        checkpoint_bytes=ask.checkpoint.total_bytes if ask.checkpoint else None,
        layouts=tuple(ordered),
        notes=tuple(_remark(ask, unit, ordered)),
    )


def model_of_plan(
    config: Mapping[str, object], name: str, source: str, layouts: Iterable[PlannedLayout]
) -> PlanModel:
    """What the file says of the model."""
    sizes = text_sizes(config)
    stored = [one.weights_are for one in layouts if one.exact]
    return PlanModel(
        name=name,
        source=source,
        architecture=architecture(config),
        layers=sizes("num_hidden_layers"),
        attention_heads=sizes("num_attention_heads"),
        kv_heads=sizes("num_key_value_heads"),
        experts=sizes(*EXPERTS),
        max_model_len=sizes("max_position_embeddings"),
        weights=stored[0] if stored else "",
    )


def _unit(ask: Ask) -> PlannedLayout | None:
    """The fewest GPUs of one node on which one copy fits in full."""
    if ask.gpus is None or ask.gpu_bytes is None or ask.tp or ask.pp or ask.dp:
        return None
    most = min(ask.gpus_per_node, ask.gpus)
    cuts = (judge(ask, Layout(tp)) for tp in divisors(most) if ask.gpus_per_node % tp == 0)
    return next((one for one in cuts if one.fits and not one.shortened), None)


def _remark(ask: Ask, unit: PlannedLayout | None, layouts: list[PlannedLayout]) -> Iterator[str]:
    """Fewer GPUs would do, or more are needed: said once, beside what was asked for."""
    if ask.gpus is None or ask.gpu_bytes is None:
        return
    if layouts[0].fits is False:
        yield from _more(ask)
    if unit is None or unit.gpus == ask.gpus or layouts[0].dp > 1:
        return
    where = "one GPU" if unit.gpus == 1 else f"{unit.gpus} GPUs of one node (TP={unit.tp})"
    wires = " and need no network between nodes" if layouts[0].nodes > 1 else ""
    yield (
        f"One copy fits on {where}: {ask.gpus // unit.gpus} such servers answer more requests"
        f" at once{wires}; one copy on all GPUs has more KV cache and answers each sooner."
    )


def _more(ask: Ask) -> Iterator[str]:
    for times in (2, 4, 8):
        gpus = (ask.gpus or 1) * times
        larger = structs.replace(ask, gpus=gpus, tp=None, pp=None, dp=None)
        each = (judge(larger, cut) for cut in cuts(larger, gpus) if cut.dp == 1)
        best = min(each, key=lambda one: _score(larger, one, None), default=None)
        if best is not None and best.fits:
            yield f"It fits on {gpus} such GPUs, as TP={best.tp} x PP={best.pp}."
            return


def _score(ask: Ask, one: PlannedLayout, unit: PlannedLayout | None) -> tuple[float, ...]:
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
