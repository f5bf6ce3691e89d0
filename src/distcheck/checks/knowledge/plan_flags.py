"""The arguments of `vllm serve` that ask for a layout, and for what its plan assumes."""

from distcheck.checks.knowledge.plan import Ask, PlannedLayout


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
        "--max-num-batched-tokens": ask.max_num_batched_tokens,
        "--gpu-memory-utilization": f"{ask.utilization:g}",
        "--dtype": ask.engine.dtype,
        "--quantization": ask.engine.quantisation,
        "--kv-cache-dtype": None if ask.kv_cache_dtype == "auto" else ask.kv_cache_dtype,
        **_across(plan),
    }
    words = [w for name, value in asked.items() if value is not None for w in (name, str(value))]
    return (*words, *(("--enable-expert-parallel",) if plan.ep > 1 else ()))


def _across(plan: PlannedLayout) -> dict[str, str]:
    if plan.nodes == 1:
        return {}
    name = "--data-parallel-backend" if plan.dp > 1 else "--distributed-executor-backend"
    return {name: "ray"}
