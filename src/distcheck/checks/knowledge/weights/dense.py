"""Dense families (vllm/model_executor/models/llama.py, qwen2.py, qwen3.py, gemma2.py, ...)."""

from collections.abc import Callable

from msgspec import structs

from distcheck.checks.knowledge.weights.layout import Unmodelled
from distcheck.checks.knowledge.weights.model import (
    CacheShape,
    Model,
    attention,
    heads_of,
    mlp,
    norms,
    qk_norms,
    rope,
)
from distcheck.checks.knowledge.weights.sizes import Sizes
from distcheck.checks.knowledge.weights.tensors import Rope, Rows, Scalars, Vector

_TWO = ("input_layernorm", "post_attention_layernorm")
_FOUR = (*_TWO, "pre_feedforward_layernorm", "post_feedforward_layernorm")


def llama(c: Sizes) -> Model:
    """Llama and Mistral."""
    bias = c.flag("attention_bias") or c.flag("bias")
    heads = attention(c, qkv_bias=bias, o_bias=bias)
    return _stacked(c, (*heads, Scalars("attn")), _mlp(c, bias=c.flag("mlp_bias")))


def qwen2(c: Sizes) -> Model:
    """Qwen1.5, Qwen2, Qwen2.5: a bias on queries, keys and values."""
    return _stacked(c, (*attention(c, qkv_bias=True), Scalars("attn")), _mlp(c))


def qwen3(c: Sizes) -> Model:
    """Qwen3: norms on queries and keys."""
    heads = attention(c, qkv_bias=c.flag("attention_bias"))
    return _stacked(c, (*heads, Scalars("attn"), *qk_norms(c)), _mlp(c))


def phi3(c: Sizes) -> Model:
    """Phi-3 and Phi-4: Llama's tensors, stored fused."""
    return _stacked(c, (*attention(c), Scalars("attn")), _mlp(c))


def glm(c: Sizes) -> Model:
    """GLM-4 in Hugging Face's form: half of each head rotates; no bias on the output."""
    heads = attention(c, qkv_bias=c.flag("attention_bias"))
    return _stacked(c, (*heads, Scalars("attn")), _mlp(c))


def glm4(c: Sizes) -> Model:
    """GLM-4-0414: two more norms a layer."""
    heads = attention(c, qkv_bias=c.flag("attention_bias"))
    extra = ("post_self_attn_layernorm", "post_mlp_layernorm")
    return _stacked(c, (*heads, Scalars("attn")), _mlp(c), (*_TWO, *extra))


def gemma2(c: Sizes) -> Model:
    """Gemma-2: tied embeddings, which every stage holds."""
    bias = c.flag("attention_bias")
    heads = (*attention(c, qkv_bias=bias, o_bias=bias), Scalars("attn"))
    return _normalised(_stacked(c, heads, _mlp(c), _FOUR, everywhere=True, tied=True))


def gemma3(c: Sizes) -> Model:
    """Gemma-3: local layers rotate with a table of their own, not stretched."""
    bias = c.flag("attention_bias")
    first, second, _ = attention(c, qkv_bias=bias, o_bias=bias)
    tables = (rope(c, "local", scaled=False), rope(c, "global"))
    whole = _whole_layers(c)

    def layer(index: int) -> Rows:
        table: Rope = tables[whole(index)]
        heads = (first, second, *qk_norms(c), table, Scalars("attn"))
        return (*heads, *_mlp(c), *norms("norms", c.number("hidden_size"), *_FOUR))

    cache = CacheShape(
        heads=heads_of(c)[1],
        window=c.count("sliding_window"),
        windowed=lambda index: not whole(index),
    )
    return _normalised(model(c, layer, cache, everywhere=True, tied=True))


def _normalised(found: Model) -> Model:
    """With the one number that Gemma multiplies embeddings by."""
    return structs.replace(found, after=(Vector("buffers", "normalizer", 1),))


def _whole_layers(c: Sizes) -> Callable[[int], bool]:
    """Which layers attend to everything: as listed, else each sixth or as the file says."""
    kinds, pattern = c.words("layer_types"), c.number("sliding_window_pattern", 6)
    if not kinds:
        return lambda index: (index + 1) % pattern == 0
    if len(kinds) < c.number("num_hidden_layers"):
        raise Unmodelled("layer_types is shorter than num_hidden_layers")
    return lambda index: kinds[index] != "sliding_attention"


def _mlp(c: Sizes, *, bias: bool = False) -> Rows:
    return mlp(c, c.number("intermediate_size"), bias=bias)


def _stacked(
    c: Sizes,
    heads: Rows,
    wide: Rows,
    names: tuple[str, ...] = _TWO,
    *,
    everywhere: bool = False,
    tied: bool | None = None,
) -> Model:
    """A model whose layers are all alike."""
    rows = (*heads, *wide, *norms("norms", c.number("hidden_size"), *names))
    cache = CacheShape(heads=heads_of(c)[1])
    return model(c, lambda _: rows, cache, everywhere=everywhere, tied=tied)


def model(
    c: Sizes,
    layer: Callable[[int], Rows],
    cache: CacheShape,
    *,
    everywhere: bool = False,
    tied: bool | None = None,
) -> Model:
    """The parts that all families have, read under the names that they share."""
    return Model(
        hidden=c.number("hidden_size"),
        vocabulary=c.number("vocab_size"),
        heads=c.number("num_attention_heads"),
        layers=c.number("num_hidden_layers"),
        layer=layer,
        cache=cache,
        tied=c.flag("tie_word_embeddings", default=bool(tied)),
        ends_everywhere=everywhere,
    )
