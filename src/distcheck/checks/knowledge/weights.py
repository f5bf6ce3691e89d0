"""Bytes of weights that vLLM loads on one rank: what its own log line then reports.

The rules are those of vLLM's parallel layers (vllm/model_executor/layers/linear.py,
vocab_parallel_embedding.py, fused_moe/layer.py, distributed/utils.py) and of the CUDA caching
allocator of PyTorch, whose blocks the log line counts.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from msgspec import Struct

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.layer_split import layer_split
from distcheck.checks.knowledge.model_shape import Latent, ModelShape, model_shape

GIB = 1 << 30
_MIB = 1 << 20
_VOCABULARY_PADDING = 64
_FUSED = {"qkv_proj": "q_proj", "gate_up_proj": "gate_proj"}


class Layout(Struct, frozen=True):
    """How one copy of a model is cut: tensor, pipeline, data parallel; experts whole or cut."""

    tp: int
    pp: int = 1
    dp: int = 1
    expert_parallel: bool = False


def stage_weights(
    config: Mapping[str, object],
    layout: Layout,
    *,
    version: str | None = None,
    dtype: str | None = None,
    quantisation: str | None = None,
) -> tuple[int, ...] | Missing:
    """Bytes of weights on one rank of each pipeline stage, first to last; all its TP ranks agree.

    `config` is the model's `config.json`; `version` is vLLM's, needed where the layers do not
    divide by PP. Missing, with the reason, where the model is not modelled or cannot be cut so.
    """
    shape = model_shape(config, dtype=dtype, quantisation=quantisation)
    if isinstance(shape, Missing):
        return shape
    reason = _cannot(shape, layout)
    split = layer_split(shape.layers, layout.pp, version)
    if reason:
        return Missing(reason)
    if isinstance(split, Missing):
        return split
    starts = accumulate(split[:-1], initial=0)
    return tuple(
        sum(map(allocated, _stage(shape, layout, i, range(start, start + count))))
        for i, (start, count) in enumerate(zip(starts, split, strict=True))
    )


def allocated(size: int) -> int:
    """Bytes of the allocator's block for a tensor of `size` bytes.

    Sizes are rounded to 512 bytes; from 10 MiB on to the next 2 MiB where at most 1 MiB
    would be left over (PyTorch c10/cuda/CUDACachingAllocator.cpp).
    """
    rounded = -(-size // 512) * 512
    segment = -(-rounded // (2 * _MIB)) * 2 * _MIB
    return segment if rounded >= 10 * _MIB and segment - rounded <= _MIB else rounded


def _cannot(shape: ModelShape, layout: Layout) -> str:
    """Why vLLM would refuse this layout; empty where it would not."""
    tp, kv = layout.tp, shape.kv_heads
    if min(tp, layout.pp, layout.dp) < 1:
        return "a parallel size below 1"
    if shape.heads % tp:
        return f"{shape.heads} attention heads cannot be cut by TP={tp}"
    if shape.latent is None and kv % tp and tp % kv:
        return f"{kv} KV heads cannot be cut by TP={tp}"
    experts = shape.experts
    dense = experts is None or experts.dense_layers > 0
    if (dense and shape.intermediate % tp) or _padded(shape.vocabulary) % tp:
        return f"the MLP or the vocabulary cannot be cut by TP={tp}"
    cut = experts.count if experts and layout.expert_parallel else experts and experts.intermediate
    if cut and cut % (tp * layout.dp):
        return f"the experts cannot be cut by {tp * layout.dp}"
    return ""


def _padded(vocabulary: int) -> int:
    return -(-vocabulary // _VOCABULARY_PADDING) * _VOCABULARY_PADDING


def _stage(shape: ModelShape, layout: Layout, stage: int, layers: range) -> Iterator[int]:
    first, last = stage == 0, stage == layout.pp - 1
    table = _padded(shape.vocabulary) // layout.tp * shape.hidden * shape.element_bytes
    embeds = first or shape.head_everywhere or (last and shape.tied)
    heads = (last or shape.head_everywhere) and not shape.tied
    yield from (table,) * (embeds + heads)
    if last or shape.head_everywhere:
        yield shape.hidden * shape.element_bytes
    rotary = shape.latent.rope if shape.latent else shape.head_dim
    yield shape.positions * rotary * shape.element_bytes
    for layer in layers:
        yield from _layer(shape, layout, layer)


def _layer(shape: ModelShape, layout: Layout, layer: int) -> Iterator[int]:
    prefix = f"model.layers.{layer}"
    yield from (shape.hidden * shape.element_bytes,) * 2
    if shape.latent is None:
        yield from _attention(shape, layout.tp, f"{prefix}.self_attn")
    else:
        yield from _latent_attention(shape, shape.latent, layout.tp, f"{prefix}.self_attn")
    if shape.experts is None or layer < shape.experts.dense_layers:
        yield from _mlp(shape, shape.intermediate // layout.tp, f"{prefix}.mlp")
    else:
        yield from _experts(shape, layout, f"{prefix}.mlp")


def _attention(shape: ModelShape, tp: int, prefix: str) -> Iterator[int]:
    """QKV cut by heads; where TP exceeds the KV heads each is held by several ranks."""
    heads, kv = shape.heads // tp, max(1, shape.kv_heads // tp)
    columns = (heads + 2 * kv) * shape.head_dim
    yield from _linear(shape, f"{prefix}.qkv_proj", columns, shape.hidden)
    yield from _linear(shape, f"{prefix}.o_proj", shape.hidden, heads * shape.head_dim)
    if shape.qkv_bias:
        yield columns * shape.element_bytes
    if shape.o_bias:
        yield shape.hidden * shape.element_bytes
    if shape.qk_norm:
        yield from (shape.head_dim * shape.element_bytes,) * 2


def _latent_attention(shape: ModelShape, mla: Latent, tp: int, prefix: str) -> Iterator[int]:
    """MLA: the compressions are whole on every rank; KV's second half is kept twice."""
    heads, size = shape.heads // tp, shape.element_bytes
    query = heads * (mla.nope + mla.rope)
    if mla.q_rank:
        yield from _linear(shape, f"{prefix}.q_a_proj", mla.q_rank, shape.hidden)
        yield mla.q_rank * size
    yield from _linear(shape, f"{prefix}.q_b_proj", query, mla.q_rank or shape.hidden)
    yield from _linear(shape, f"{prefix}.kv_a_proj", mla.kv_rank + mla.rope, shape.hidden)
    yield mla.kv_rank * size
    yield from _linear(shape, f"{prefix}.kv_b_proj", heads * (mla.nope + mla.value), mla.kv_rank)
    yield from (heads * mla.kv_rank * part * size for part in (mla.value, mla.nope))
    yield from _linear(shape, f"{prefix}.o_proj", shape.hidden, heads * mla.value)


def _mlp(shape: ModelShape, columns: int, prefix: str) -> Iterator[int]:
    yield from _linear(shape, f"{prefix}.gate_up_proj", 2 * columns, shape.hidden)
    yield from _linear(shape, f"{prefix}.down_proj", shape.hidden, columns)
    if shape.mlp_bias:
        yield from (2 * columns * shape.element_bytes, shape.hidden * shape.element_bytes)


def _experts(shape: ModelShape, layout: Layout, prefix: str) -> Iterator[int]:
    """All experts cut by TP x DP, or whole experts shared out over TP x DP; the router whole."""
    experts = shape.experts
    if experts is None:
        return
    ranks = layout.tp * layout.dp
    count = experts.count // ranks if layout.expert_parallel else experts.count
    columns = experts.intermediate if layout.expert_parallel else experts.intermediate // ranks
    yield experts.count * shape.hidden * shape.element_bytes
    if experts.correction_bias:
        yield experts.count * 4
    yield from _linear(shape, f"{prefix}.experts", 2 * columns, shape.hidden, count)
    yield from _linear(shape, f"{prefix}.experts", shape.hidden, columns, count)
    if experts.shared:
        shared = experts.shared * experts.intermediate // layout.tp
        yield from _mlp(shape, shared, f"{prefix}.shared_experts")


def _linear(
    shape: ModelShape, name: str, rows: int, columns: int, copies: int = 1
) -> Iterator[int]:
    """The tensors of one linear layer: the weight, and its scales where it is quantised."""
    elements = rows * columns * copies
    scheme = shape.quantisation
    if scheme == "none" or _kept(shape, name):
        yield elements * shape.element_bytes
    elif scheme == "int4":
        groups = elements // shape.group
        yield from (elements // 2, groups * 2, groups // 2)
    else:
        scales = {"fp8": 1, "fp8_channel": rows, "fp8_block": -(-rows // 128) * -(-columns // 128)}
        yield from (elements, 4 * copies * scales[scheme])


def _kept(shape: ModelShape, name: str) -> bool:
    """Whether the checkpoint keeps this layer in 16 bit; a fused layer goes by its first part."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{_FUSED.get(last, last)}" in shape.unquantised or name in shape.unquantised
