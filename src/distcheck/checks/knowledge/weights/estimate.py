"""Bounds where nothing exact can be said."""

from collections.abc import Iterable, Mapping

from distcheck.checks.knowledge.weights.checkpoint import Checkpoint
from distcheck.checks.knowledge.weights.layout import Layout, Unmodelled
from distcheck.checks.knowledge.weights.result import Estimate, Exact, Refusal, Unknown, Weights
from distcheck.checks.knowledge.weights.sizes import Sizes

_BUFFERS = 4 << 30
"""More than any table or padding that vLLM adds to a known model (Llama-4's rope: 2.5 GiB)."""
_NOT_LOADED = 0.05
"""Prediction layers and the like, which a checkpoint has and vLLM does not load."""
_UNEVEN = 4
"""How much less than its even share a pipeline stage may hold."""


def between(found: Iterable[Weights], reason: str) -> Estimate | Refusal | Unknown:
    """From the least to the most of several exact answers."""
    every = tuple(found)
    for one in every:
        if isinstance(one, Refusal):
            return one
    sizes = [r.weights_bytes for one in every if isinstance(one, Exact) for r in one.ranks]
    return Estimate(min(sizes), max(sizes), reason) if sizes else Unknown(reason)


def from_checkpoint(
    config: Mapping[str, object], layout: Layout, checkpoint: Checkpoint, reason: str
) -> Estimate | Refusal:
    """Least: all is cut by all ranks. Most: nothing of a stage is cut by TP.

    True for a checkpoint that is loaded in the types that it is stored in.
    """
    refused = _refused(config, layout)
    if refused:
        return Refusal(refused)
    ranks = layout.tp * layout.pp * (layout.dp if layout.expert_parallel else 1)
    loaded = int(checkpoint.total_bytes * (1 - _NOT_LOADED))
    # Stages differ: by a layer, by the embeddings, by layers that are not all of one size.
    low = loaded // ranks if layout.pp == 1 else loaded // (_UNEVEN * ranks)
    high = checkpoint.total_bytes + _BUFFERS
    return Estimate(low, high, f"an estimate from the checkpoint's size: {reason}")


def _refused(config: Mapping[str, object], layout: Layout) -> str:
    """What vLLM refuses of any model; empty where the file does not say enough."""
    if min(layout.tp, layout.pp, layout.dp) < 1:
        return "a parallel size below 1"
    c = Sizes(config)
    text = c.inner("text_config") if c.has("text_config") else c
    try:
        heads, layers = text.number("num_attention_heads"), text.number("num_hidden_layers")
    except Unmodelled:
        return ""
    if heads % layout.tp:
        return heads_refusal(heads, layout.tp)
    return f"{layers} layers leave stages of PP={layout.pp} empty" if layout.pp > layers else ""


def heads_refusal(heads: int, tp: int) -> str:
    """VLLM's sentence (vllm/config/model.py, verify_with_parallel_config)."""
    return (
        f"Total number of attention heads ({heads})"
        f" must be divisible by tensor parallel size ({tp})."
    )
