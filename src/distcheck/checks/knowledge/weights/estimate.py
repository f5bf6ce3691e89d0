"""Bounds where nothing exact can be said."""

from collections.abc import Iterable, Mapping

from distcheck.checks.knowledge.weights.layout import Layout, Unmodelled
from distcheck.checks.knowledge.weights.result import Estimate, Exact, Refusal, Unknown, Weights
from distcheck.checks.knowledge.weights.sizes import Sizes

_BUFFERS = 4 << 30
"""More than any table or padding that vLLM adds to a known model (Llama-4's rope: 2.5 GiB)."""
_NOT_LOADED = 0.05
"""Prediction layers and the like, which a checkpoint has and vLLM does not load."""
_UNEVEN = 4
"""How much less than its even share a pipeline stage may hold."""
_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")


def between(found: Iterable[Weights], reason: str) -> Estimate | Refusal | Unknown:
    """From the least to the most of several exact answers."""
    every = tuple(found)
    for one in every:
        if isinstance(one, Refusal):
            return one
    sizes = [r.weights_bytes for one in every if isinstance(one, Exact) for r in one.ranks]
    return Estimate(min(sizes), max(sizes), reason) if sizes else Unknown(reason)


def from_checkpoint(
    config: Mapping[str, object], layout: Layout, loaded: tuple[int, int], reason: str
) -> Estimate | Refusal:
    """Least: all is cut by all ranks. Most: nothing of a stage is cut by TP.

    `loaded` bounds the bytes of the whole checkpoint once vLLM has loaded it.
    """
    refused = _refused(config, layout)
    if refused:
        return Refusal(refused)
    least = int(loaded[0] * (1 - _NOT_LOADED)) // _cuts(config, layout)
    # Stages differ: by a layer, by the embeddings, by layers that are not all of one size.
    low = least if layout.pp == 1 else least // _UNEVEN
    high = loaded[1] + _BUFFERS
    return Estimate(low, high, f"an estimate from the checkpoint's size: {reason}")


def _cuts(config: Mapping[str, object], layout: Layout) -> int:
    """Into how many parts a tensor may be cut: vLLM cuts experts by DP as well as by TP.

    Whole experts do not always share out evenly: a rank may have half of an even share.
    """
    inner = config.get("text_config")
    parts = (config, inner if isinstance(inner, dict) else {})
    sparse = layout.expert_parallel or any(part.get(key) for part in parts for key in _COUNTS)
    copies = layout.dp if sparse else 1
    return layout.tp * layout.pp * copies * (2 if layout.expert_parallel else 1)


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
