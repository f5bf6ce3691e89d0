"""The arguments of `vllm serve` that ask for a layout, and for what its plan assumes."""

from collections.abc import Iterator

from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_batch import chunks_prefill, step_tokens
from distcheck.checks.knowledge.plan_methods import deprecated
from distcheck.checks.knowledge.weights import method_of, stored_in


def flags(ask: Ask, plan: PlannedLayout) -> tuple[str, ...]:
    """Arguments of `vllm serve` for this layout; none where it starts at no length."""
    if plan.refused and not plan.shortened:
        return ()
    asked = {
        "--tensor-parallel-size": plan.tp,
        "--pipeline-parallel-size": plan.pp if plan.pp > 1 else None,
        "--data-parallel-size": plan.dp if plan.dp > 1 else None,
        "--max-model-len": plan.max_model_len,
        "--max-num-seqs": ask.max_num_seqs,
        "--max-num-batched-tokens": step_tokens(ask),
        "--gpu-memory-utilization": f"{ask.utilization:g}",
        "--dtype": ask.engine.dtype,
        "--quantization": ask.engine.quantisation,
        "--kv-cache-dtype": None if ask.kv_cache_dtype == "auto" else ask.kv_cache_dtype,
        **_across(plan),
    }
    words = [w for name, value in asked.items() if value is not None for w in (name, str(value))]
    return (*words, *_switches(ask, plan))


def _switches(ask: Ask, plan: PlannedLayout) -> Iterator[str]:
    length = plan.max_model_len or 0
    if plan.ep > 1:
        yield "--enable-expert-parallel"
    if step_tokens(ask) < length and not chunks_prefill(ask, length):
        yield "--enable-chunked-prefill"
    stored = stored_in(ask.config)
    if stored is not None and deprecated(method_of(stored), version_of(ask.engine.version)):
        yield "--allow-deprecated-quantization"


def _across(plan: PlannedLayout) -> dict[str, str]:
    if plan.nodes == 1:
        return {}
    name = "--data-parallel-backend" if plan.dp > 1 else "--distributed-executor-backend"
    return {name: "ray"}
