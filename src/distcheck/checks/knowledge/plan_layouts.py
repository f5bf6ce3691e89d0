"""The layouts to propose, best first, and what is said beside them."""

from collections.abc import Iterable, Iterator, Mapping

from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask, Plan, PlanModel, PlannedLayout
from distcheck.checks.knowledge.plan_candidates import EXPERTS, candidates, divisors
from distcheck.checks.knowledge.plan_instead import instead, unsized
from distcheck.checks.knowledge.plan_judge import judge
from distcheck.checks.knowledge.plan_methods import PLUGINS, known_to
from distcheck.checks.knowledge.plan_order import ORDER, rank
from distcheck.checks.knowledge.plan_refused import refused
from distcheck.checks.knowledge.plan_remedy import more_memory, remedied
from distcheck.checks.knowledge.plan_room import text_sizes
from distcheck.checks.knowledge.plan_verdict import chosen, verdict_of
from distcheck.checks.knowledge.weights import Layout, method_of, stored_in
from distcheck.checks.knowledge.weights.families import architecture

_MOST_LAYOUTS = 16


def plan(ask: Ask, name: str, source: str) -> Plan:
    """Layouts for `ask`, best first; a fixed one alone where it is fixed."""
    cuts = candidates(ask)
    # What is refused whatever the layout is said once.
    found = [judge(ask, layout) for layout in (cuts[:1] if refused(ask) else cuts)]
    unit = _unit(ask)
    ordered = sorted(found, key=lambda one: rank(ask, one, unit))
    if ask.gpus is None and len(ordered) > 1:
        ordered = list({one.gpus: one for one in reversed(ordered)}.values())[::-1]
    ordered = unsized(ask, instead(ask, remedied(ask, ordered[:_MOST_LAYOUTS])))
    verdict = verdict_of(ordered[0])
    return Plan(
        verdict=verdict,
        best=chosen(ordered[0], verdict),
        order=ORDER,
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
    yield from more_memory(ask, layouts[0])
    yield from _plugin(ask)
    if ask.gpus is None or ask.gpu_bytes is None:
        return
    if unit is None or unit.gpus == ask.gpus or layouts[0].dp > 1:
        return
    where = "one GPU" if unit.gpus == 1 else f"{unit.gpus} GPUs of one node (TP={unit.tp})"
    wires = " and need no network between nodes" if layouts[0].nodes > 1 else ""
    sooner = " and answers each sooner" if layouts[0].tp > unit.tp else ""
    yield (
        f"One copy fits on {where}: {ask.gpus // unit.gpus} such servers answer more requests"
        f" at once{wires}; one copy on all GPUs has room for longer ones{sooner}."
    )


def _plugin(ask: Ask) -> Iterator[str]:
    """A method that this version has no longer, and that a plugin may add."""
    stored, version = stored_in(ask.config), ask.engine.version
    method = ask.engine.quantisation or (method_of(stored) if stored is not None else "")
    if method in PLUGINS and method not in known_to(version_of(version)):
        yield f"vLLM {version} itself has no {method}: it starts only with a plugin that adds it."
