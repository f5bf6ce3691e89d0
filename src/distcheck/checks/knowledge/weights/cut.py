"""One generic summation: the rows of a model, cut for one rank, through the allocator."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from distcheck.checks.knowledge.weights.allocator import Allocator, rounded
from distcheck.checks.knowledge.weights.layout import Engine, Layout, Refused, UnknownKernel
from distcheck.checks.knowledge.weights.model import Model
from distcheck.checks.knowledge.weights.scheme import Scheme
from distcheck.checks.knowledge.weights.storage import stored
from distcheck.checks.knowledge.weights.tensors import (
    Derived,
    Experts,
    Linear,
    Part,
    Rope,
    Row,
    Scalars,
    Shard,
    Vector,
    Vocabulary,
)

_PADDING = 64
"""vllm/model_executor/layers/vocab_parallel_embedding.py, DEFAULT_VOCAB_PADDING_SIZE."""
_MXFP4_PADDING = {"marlin": (256, 128), "triton": (256, 64)}
"""Multiples of the hidden and of the intermediate side (quantization/mxfp4.py)."""

_ALL_REDUCE_RANKS = (2, 4, 6, 8)
_ALL_REDUCE_BYTES = 8 << 20
"""Taken before loading, so not counted, but it moves what follows (custom_all_reduce.py)."""

Sized = tuple[Part, int]


class Slice(Struct, frozen=True, kw_only=True):
    """What is asked of the model: one pipeline stage on one rank."""

    layout: Layout
    stage: int
    layers: range
    experts: int
    """Whole experts on this rank; all of them where they are cut."""
    engine: Engine
    version: tuple[int, int, int] | None
    element_bytes: int
    scheme: Scheme

    @property
    def first(self) -> bool:
        """Whether tokens enter here."""
        return self.stage == 0

    @property
    def last(self) -> bool:
        """Whether logits leave here."""
        return self.stage == self.layout.pp - 1


@lru_cache(maxsize=256)
def bytes_by_part(model: Model, piece: Slice) -> Mapping[Part, int]:
    """Bytes of allocated blocks on this rank after loading, by part.

    Kept, as `serve` asks the same in each round, and one layout shares pieces with another.
    """
    memory, found = Allocator(), dict[Part, int]()
    if piece.layout.tp in _ALL_REDUCE_RANKS:
        memory.take(_ALL_REDUCE_BYTES)
    for row, (part, size) in tensors(model, piece):
        if isinstance(row, Rope):
            _scratch(memory, row)
        found[part] = found.get(part, 0) + memory.take(size).size
    return MappingProxyType(found)


def tensors(model: Model, piece: Slice) -> Iterator[tuple[Row, Sized]]:
    """Each tensor on this rank: its row, its part and its bytes, before the allocator."""
    for row, name in _rows(model, piece):
        for sized in _sizes(row, name, piece):
            yield row, sized


def _rows(model: Model, piece: Slice) -> Iterator[tuple[Row, str]]:
    """In the order in which vLLM builds them; matrices derived after loading come last."""
    table = Vocabulary("embedding", model.vocabulary, model.hidden)
    everywhere, derived, ropes = model.ends_everywhere, [], set[str]()
    yield from ((row, "vision") for row in model.before)
    if piece.first or everywhere or (piece.last and model.tied):
        yield table, ""
    for layer in piece.layers:
        for row in model.layer(layer):
            if isinstance(row, Derived):
                derived.append(row)
            elif not isinstance(row, Rope) or row.name not in ropes:
                name = "" if isinstance(row, Vocabulary) else row.name
                ropes.add(name)
                yield row, f"model.layers.{layer}.{name}"
    if piece.last or everywhere:
        yield Vector("norms", "model.norm", model.hidden), ""
        if not model.tied:
            yield Vocabulary("head", model.vocabulary, model.hidden), ""
    yield from ((row, "") for row in model.after)
    yield from ((row, row.name) for row in derived)


def _scratch(memory: Allocator, row: Rope) -> None:
    """A rope's table is computed on the GPU in float32; what it frees is used again.

    vllm/model_executor/layers/rotary_embedding: angles, cosines, sines, then both together.
    """
    half = row.positions * row.width // 2 * 4
    blocks = [memory.take(size) for size in (4 * row.positions, half, half, half, 2 * half)]
    for block in blocks:
        memory.give(block)


def _sizes(row: Row, name: str, piece: Slice) -> Iterator[Sized]:
    size, tp = piece.element_bytes, piece.layout.tp
    match row:
        case Linear():
            yield from _linear(row, name, piece)
        case Experts():
            yield from _experts(row, name, piece)
        case Vocabulary():
            yield row.part, _vocabulary(row, tp) * row.hidden * size
        case Vector():
            ranks = tp if row.heads else 1
            yield row.part, row.elements // ranks * (row.element_bytes or size)
        case Rope():
            yield "buffers", row.positions * row.width * (row.element_bytes or size)
        case Scalars():
            yield from (("buffers", 4),) * _scalars(piece.version)
        case Derived():
            yield from _derived(row, name, piece)


def _derived(row: Derived, name: str, piece: Slice) -> Iterator[Sized]:
    """vllm/attention/backends/mla (process_weights_after_loading)."""
    heads = row.heads // piece.layout.tp
    if piece.version is not None and piece.version < (0, 7, 0):
        return
    early = piece.version is not None and piece.version < (0, 8, 0)
    for elements in row.early_copies if early else row.copies:
        yield row.part, heads * elements * piece.element_bytes
    for outputs, inputs in row.absorbed if early else ():
        yield from _weights(row.part, name, Shard((heads * outputs,), inputs, inputs), piece)


def _scalars(version: tuple[int, int, int] | None) -> int:
    """Scales and ranges that an attention layer holds (vllm/attention/layer.py)."""
    if version is None or version >= (0, 8, 0):
        return 7
    return 4 if version >= (0, 7, 0) else 0


def _vocabulary(row: Vocabulary, tp: int) -> int:
    padded = rounded(row.tokens, _PADDING)
    if padded % tp:
        raise Refused(f"{padded} is not divisible by {tp}")
    return padded // tp


def _linear(row: Linear, name: str, piece: Slice) -> Iterator[Sized]:
    whole = row.part == "vision" and piece.engine.whole_vision
    shard = row.on(1 if whole else piece.layout.tp)
    yield from _weights(row.part, name, shard, piece, quantised=_quantised(row, piece))
    if row.bias:
        yield row.part, shard.rows * piece.element_bytes


def _quantised(row: Linear, piece: Slice) -> bool:
    """Whether the layer is one that the scheme quantises, in this version of vLLM."""
    if row.quantised_since is None:
        return row.quantised
    early = piece.version is not None and piece.version < row.quantised_since
    return not early and not piece.scheme.whole_router


def _weights(
    part: Part, name: str, shard: Shard, piece: Slice, *, quantised: bool = True
) -> Iterator[Sized]:
    only_experts = piece.scheme.kind == "mxfp4" and part != "experts"
    plain = not quantised or only_experts or piece.scheme.keeps(name)
    scheme = Scheme() if plain else piece.scheme
    for scales, size in stored(scheme, shard, piece.element_bytes):
        yield "scales" if scales else part, size


def _experts(row: Experts, name: str, piece: Slice) -> Iterator[Sized]:
    """Gate and up of all experts in one tensor, down in another; whole experts under EP."""
    layout = piece.layout
    ranks = 1 if layout.expert_parallel else layout.tp * layout.dp
    if row.intermediate % ranks:
        raise Refused(f"{row.intermediate} is not divisible by {ranks}")
    wide, hidden = row.intermediate // ranks, row.hidden
    if piece.scheme.kind == "mxfp4" and not piece.scheme.keeps(name):
        hidden, wide = _padded_mxfp4(hidden, wide, piece.engine)
    count = piece.experts
    for outputs, inputs in (((wide, wide), hidden), ((hidden,), wide)):
        shard = Shard(outputs, inputs, inputs, count)
        yield from _weights(row.part, name, shard, piece)
        if row.bias:
            yield row.part, count * shard.rows * _bias_bytes(piece)


def _padded_mxfp4(hidden: int, wide: int, engine: Engine) -> tuple[int, int]:
    if engine.mxfp4_kernel is None:
        raise UnknownKernel("which kernel runs MXFP4 experts, and so how they are padded")
    tall, broad = _MXFP4_PADDING[engine.mxfp4_kernel]
    return rounded(hidden, tall), rounded(wide, broad)


def _bias_bytes(piece: Slice) -> int:
    """The Triton kernel keeps biases of experts in float32."""
    mxfp4 = piece.scheme.kind == "mxfp4"
    return 4 if mxfp4 and piece.engine.mxfp4_kernel == "triton" else piece.element_bytes
