"""A model as a table: rows before the layers, rows of each layer, rows after them."""

from collections.abc import Callable

from msgspec import Struct

from distcheck.checks.knowledge.weights.sizes import Sizes
from distcheck.checks.knowledge.weights.tensors import Axis, Linear, Part, Rope, Rows, Vector


class CacheShape(Struct, frozen=True, kw_only=True):
    """What one layer keeps of one token."""

    heads: Axis
    values: int = 2
    """2: keys and values. 1: MLA's one latent vector, whole on every rank."""
    window: int = 0
    windowed: Callable[[int], bool] | None = None
    """Which layers keep `window` tokens only."""


class Model(Struct, frozen=True, kw_only=True):
    """All tensors of one model, before any cut."""

    hidden: int
    vocabulary: int
    heads: int
    layers: int
    layer: Callable[[int], Rows]
    cache: CacheShape
    before: Rows = ()
    """On every stage: the vision tower and its projector."""
    after: Rows = ()
    """On every stage, beside the last norm."""
    tied: bool = False
    ends_everywhere: bool = False
    """Embedding, head and last norm on every pipeline stage, not on the first and last only."""
    tp_within_experts: bool = False
    """Refused beyond one rank an expert, even where experts are cut."""


def attention(c: Sizes, *, qkv_bias: bool = False, o_bias: bool = False) -> Rows:
    """Grouped-query attention as all dense families have it; its rope is shared by the layers."""
    queries, keys, hidden = heads_of(c)
    fused = (queries, keys, keys)
    name = "self_attn"
    return (
        Linear("attention", f"{name}.qkv_proj", fused, hidden, "column", bias=qkv_bias),
        Linear("attention", f"{name}.o_proj", (hidden,), queries, "row", bias=o_bias),
        rope(c),
    )


def heads_of(c: Sizes) -> tuple[Axis, Axis, Axis]:
    """Query heads, KV heads, and the hidden side."""
    heads, hidden = c.number("num_attention_heads"), c.number("hidden_size")
    head = c.number("head_dim", hidden // heads)
    keys = Axis(c.number("num_key_value_heads", heads), head, shared=True)
    return Axis(heads, head), keys, Axis(hidden)


def qk_norms(c: Sizes) -> Rows:
    """One norm over a head's width for queries, one for keys."""
    width = heads_of(c)[0].size
    return norms("attention", width, "q_norm", "k_norm")


def norms(part: Part, width: int, *names: str) -> Rows:
    """Vectors that every rank holds whole."""
    return tuple(Vector(part, name, width) for name in names)


def mlp(c: Sizes, intermediate: int, *, name: str = "mlp", bias: bool = False) -> Rows:
    """A gated MLP: gate and up fused, then down."""
    hidden, wide = Axis(c.number("hidden_size")), Axis(intermediate)
    return (
        Linear("mlp", f"{name}.gate_up_proj", (wide, wide), hidden, "column", bias=bias),
        Linear("mlp", f"{name}.down_proj", (hidden,), wide, "row", bias=bias),
    )


def rope(c: Sizes, name: str = "rotary_emb", *, scaled: bool = True) -> Rope:
    """Rows: positions, stretched where YaRN, LongRoPE or mRoPE do so."""
    head = heads_of(c)[0].size
    width = int(head * c.share("partial_rotary_factor"))
    most = c.number("max_position_embeddings")
    return Rope(name, _stretched(c, most) if scaled else most, width)


def _stretched(c: Sizes, most: int) -> int:
    # Newer files (transformers 5) have all of the rope's settings under one name.
    scaling = c.inner("rope_scaling" if c.has("rope_scaling") else "rope_parameters")
    kind = scaling.word("rope_type", "type")
    if kind == "yarn":
        original = scaling.number("original_max_position_embeddings", most)
        return int(original * scaling.factor("factor"))
    if kind == "linear":
        return int(most * scaling.factor("factor"))
    if kind in ("longrope", "su"):
        return most + scaling.number(
            "original_max_position_embeddings", c.number("original_max_position_embeddings", most)
        )
    return most
