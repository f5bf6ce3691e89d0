"""Where a GPU's memory goes beside weights, and how many tokens of KV cache are left.

The parts and their ranges are those of `weights.OVERHEADS`. Two are made narrower from the
model's shape, by what the same logs show: activations at their peak, and CUDA graphs.
"""

from collections.abc import Mapping

from msgspec import Struct

from distcheck.checks.knowledge.weights import GIB, OVERHEADS, KvPerToken, Layout

_LOGIT_BYTES = 40
"""Of one logit while the sampler sorts. Fitted: with 1,024 requests and 128k to 152k words that
is 4.9 to 5.9 GiB; logs of servers on H100 show 4.8 to 7.4."""
_MOE_CHUNK = 32_768
"""Tokens that vLLM's fused experts take at a time (VLLM_FUSED_MOE_CHUNK_SIZE)."""
_MORE_DENSE, _MORE_EXPERTS = 1.5, 2.0
"""How much more than computed: DeepSeek-R1 on 16 GPUs, batches of 32,768: 9.4 GiB for 5.4."""
_GRAPH_LIKELY, _GRAPH_MOST = 0.015, 0.06
"""GiB of CUDA graphs a layer; seen: 0.39 for 32 layers, 3.51 for 61, 4.95 for 126."""
_LIKELY_ACTIVATIONS, _LIKELY_FIXED = 1.4, 1.0
"""GiB: the median of the activations in public logs; context and NCCL of one GPU."""


class Batch(Struct, frozen=True):
    """`--max-num-seqs` and `--max-num-batched-tokens`."""

    seqs: int
    tokens: int


class Rest(Struct, frozen=True):
    """Bytes that are neither weights nor KV cache: at least, likely, at most."""

    low: int
    likely: int
    high: int


def rest_of(config: Mapping[str, object], layout: Layout, layers: int, batch: Batch) -> Rest:
    """CUDA context and NCCL, activations at their peak, graphs of `layers` layers."""
    context, nccl, seen, graphs = OVERHEADS
    alone = layout.world == 1
    fixed = (context.low + (0 if alone else nccl.low), context.high + (0.3 if alone else nccl.high))
    peak = activations(config, layout, batch)
    low, likely, high = (
        (seen.low, _LIKELY_ACTIVATIONS, seen.high)
        if peak is None
        else (peak / 2, peak, _more(config) * peak)
    )
    most_graphs = min(_GRAPH_MOST * layers, graphs.high) if layers else graphs.high
    return Rest(
        int((fixed[0] + low) * GIB),
        int((_LIKELY_FIXED + likely + _GRAPH_LIKELY * layers) * GIB),
        int((fixed[1] + high + most_graphs) * GIB),
    )


def _more(config: Mapping[str, object]) -> float:
    return _MORE_EXPERTS if text_sizes(config)("num_experts_per_tok") else _MORE_DENSE


def activations(config: Mapping[str, object], layout: Layout, batch: Batch) -> float | None:
    """GiB at the peak of vLLM's profiling run; None where the model's shape is not known.

    The larger of one layer's forward pass over a full batch, and the sampler's sort of the
    logits of all requests.
    """
    sizes = text_sizes(config)
    hidden, vocabulary = sizes("hidden_size"), sizes("vocab_size")
    wide = sizes("moe_intermediate_size") or sizes("intermediate_size")
    if not (hidden and vocabulary and wide):
        return None
    chosen = sizes("num_experts_per_tok") or 0
    if chosen:
        forward = 4 * hidden * batch.tokens + _routed(layout, batch.tokens, chosen, wide, hidden)
    else:
        forward = batch.tokens * (4 * hidden + 3 * wide // layout.tp)
    return max(2 * forward, min(batch.seqs, batch.tokens) * vocabulary * _LOGIT_BYTES) / GIB


def _routed(layout: Layout, tokens: int, chosen: int, wide: int, hidden: int) -> int:
    """Elements between the matrices of routed experts; DP with EP brings others' tokens."""
    if layout.expert_parallel:
        return min(tokens * layout.dp, _MOE_CHUNK) * chosen * (3 * wide + hidden)
    return min(tokens, _MOE_CHUNK) * chosen * (3 * wide // layout.tp + hidden)


class _Sizes:
    def __init__(self, config: Mapping[str, object]) -> None:
        inner = config.get("text_config")
        self._parts = (config, inner if isinstance(inner, dict) else {})

    def __call__(self, *keys: str) -> int | None:
        """The first plausible size of these keys, at the top or in `text_config`."""
        found = (part.get(key) for key in keys for part in self._parts)
        return next((v for v in found if type(v) is int and 0 < v < 1 << 32), None)


def text_sizes(config: Mapping[str, object]) -> _Sizes:
    """Reads sizes of the text model; None where the file has none that is plausible."""
    return _Sizes(config)


def request_bytes(each: KvPerToken, length: int, batch: Batch) -> int:
    """KV cache on one rank of one request of `length` tokens; windows keep no more than theirs."""
    return each.kept * length + each.windowed * min(length, each.window + batch.tokens)


def longest(each: KvPerToken, room: int, batch: Batch) -> int:
    """The longest request whose KV cache fits into `room` bytes of one rank."""
    if room <= 0 or not each.total:
        return 0
    bound = each.window + batch.tokens
    if not each.windowed or room <= each.total * bound:
        return room // each.total
    beyond = room - each.windowed * bound
    return beyond // each.kept if each.kept else 1 << 32
