"""The one reason of a layout that a table has room for: about 40 columns."""

from collections.abc import Iterator

from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_fabric import carries
from distcheck.checks.knowledge.plan_words import spans_nodes, uneven

_OUT = "out of memory"


def short_reason(ask: Ask, plan: PlannedLayout) -> str:
    """Why not; else for which length, and where TP, PP and experts go."""
    if plan.refused and plan.shortened:
        return f"may fit with {plan.max_model_len:,} tokens"
    if plan.refused:
        return _refused(plan, plan.refused)
    return "; ".join((*_length(plan), _place(ask, plan)))


def _refused(plan: PlannedLayout, refused: str) -> str:
    if any(gpu.weights_low > gpu.total for gpu in plan.memory) or _OUT in refused:
        return "the weights alone do not fit"
    if any(gpu.kv_high == 0 for gpu in plan.memory):
        return "no room for KV cache"
    if plan.memory and plan.max_model_len:
        return f"no room for {plan.max_model_len:,} tokens"
    return f"vLLM refuses: {refused}"


def _length(plan: PlannedLayout) -> Iterator[str]:
    if plan.shortened:
        yield f"{plan.max_model_len:,} tokens"


def _place(ask: Ask, plan: PlannedLayout) -> str:
    if plan.ep > 1:
        return f"experts {plan.ep} ways: many requests at once"
    if plan.dp > 1:
        return f"{plan.dp} copies: many requests at once"
    if plan.nodes == 1:
        return _on_one_node(ask, plan)
    if spans_nodes(ask, plan.tp):
        return _tp_across(ask)
    if plan.pp > plan.nodes:
        return "more stages than nodes: slower"
    return {
        "tp": "TP in the node, PP across: throughput",
        "either": "TP in the node, PP across: safer",
    }.get(carries(ask.fabric), "TP in the node, PP across")


def _on_one_node(ask: Ask, plan: PlannedLayout) -> str:
    if plan.pp > 1:
        return "PP inside a node" if uneven(ask, plan) else "PP inside a node: slower than TP"
    return "TP over NVLink" if plan.tp > 1 else "one GPU"


def _tp_across(ask: Ask) -> str:
    if ask.fabric is None:
        return "TP across nodes: needs 400 Gb/s RDMA"
    speed = f"{ask.fabric.gbps} Gb/s"
    return {
        "tp": f"TP across nodes: {speed} carries it",
        "either": f"TP across nodes: {speed} is possible",
        "pp": f"avoid: {ask.fabric.words} is too slow for TP",
    }.get(carries(ask.fabric), f"never: TP across {speed}")
