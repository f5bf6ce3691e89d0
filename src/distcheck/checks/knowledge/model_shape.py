"""The shape of a model, read from its `config.json`."""

from collections.abc import Mapping

from msgspec import Struct

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.quantisation import (
    Quantisation,
    group_size,
    kept_in_16_bit,
    quantisation_of,
)

# Per architecture: bias on QKV, norms on Q and K, embeddings and head on every pipeline stage
# (vllm/model_executor/models/*.py, 0.6 to 0.33).
_TRAITS: Mapping[str, tuple[bool, bool, bool]] = {
    "LlamaForCausalLM": (False, False, False),
    "MistralForCausalLM": (False, False, False),
    "Qwen2ForCausalLM": (True, False, False),
    "Qwen3ForCausalLM": (False, True, False),
    "MixtralForCausalLM": (False, False, True),
    "Qwen3MoeForCausalLM": (False, True, True),
    "DeepseekV2ForCausalLM": (False, False, False),
    "DeepseekV3ForCausalLM": (False, False, False),
}
_LARGEST = {"num_hidden_layers": 10_000, "hidden_size": 1 << 20, "vocab_size": 1 << 26}
_BYTES = {"bfloat16": 2, "float16": 2, "half": 2}


class Experts(Struct, frozen=True):
    """The mixture-of-experts part: `count` experts of `intermediate` columns each."""

    count: int
    intermediate: int
    shared: int = 0
    dense_layers: int = 0
    """Leading layers with a dense MLP in place of experts."""
    correction_bias: bool = False


class Latent(Struct, frozen=True):
    """DeepSeek's latent attention (MLA); `q_rank` 0 where queries are not compressed."""

    q_rank: int
    kv_rank: int
    nope: int
    rope: int
    value: int


class ModelShape(Struct, frozen=True, kw_only=True):
    """Sizes that decide how many bytes of weights a rank holds."""

    architecture: str
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    positions: int
    tied: bool
    element_bytes: int
    qkv_bias: bool
    o_bias: bool
    mlp_bias: bool
    qk_norm: bool
    head_everywhere: bool
    quantisation: Quantisation = "none"
    group: int = 128
    unquantised: frozenset[str] = frozenset()
    experts: Experts | None = None
    latent: Latent | None = None


def model_shape(
    config: Mapping[str, object], *, dtype: str | None = None, quantisation: str | None = None
) -> ModelShape | Missing:
    """The shape in `config`, or why it is not modelled.

    `dtype` and `quantisation` are the engine's own where they differ from the file's
    (`--dtype`, online `--quantization fp8`).
    """
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    if not isinstance(name, str) or name not in _TRAITS:
        return Missing(f"weights of the architecture {name!r} are not modelled")
    if odd := [key for key, most in _LARGEST.items() if _exceeds(config.get(key), most)]:
        return Missing(f"config.json of {name} is not a plausible model: {', '.join(odd)}")
    scheme = quantisation_of(config, quantisation)
    if isinstance(scheme, Missing):
        return scheme
    try:
        return _shape(name, config, dtype, scheme)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return Missing(f"config.json of {name} lacks a size that its weights depend on: {error}")


def _exceeds(value: object, most: int) -> bool:
    return isinstance(value, int) and value > most


def _shape(
    name: str, config: Mapping[str, object], dtype: str | None, scheme: Quantisation
) -> ModelShape:
    qkv_bias, qk_norm, everywhere = _TRAITS[name]
    hidden, heads = _size(config, "hidden_size"), _size(config, "num_attention_heads")
    return ModelShape(
        architecture=name,
        hidden=hidden,
        layers=_size(config, "num_hidden_layers"),
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads", heads),
        head_dim=_size(config, "head_dim", hidden // heads),
        intermediate=_size(config, "intermediate_size", 1),
        vocabulary=_size(config, "vocab_size"),
        positions=_positions(config),
        tied=config.get("tie_word_embeddings") is True,
        element_bytes=_element_bytes(config, dtype),
        qkv_bias=qkv_bias or config.get("attention_bias") is True,
        o_bias=not qkv_bias and config.get("attention_bias") is True,
        mlp_bias=config.get("mlp_bias") is True,
        qk_norm=qk_norm,
        head_everywhere=everywhere,
        quantisation=scheme,
        unquantised=kept_in_16_bit(config),
        group=group_size(config),
        experts=_experts(name, config),
        latent=_latent(name, config),
    )


def _size(config: Mapping[str, object], key: str, default: int | None = None) -> int:
    value = config.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 40:
        raise KeyError(key)
    return value


def _zero_or(config: Mapping[str, object], key: str) -> int:
    return _size(config, key) if config.get(key) else 0


def _element_bytes(config: Mapping[str, object], dtype: str | None) -> int:
    named = dtype if dtype not in (None, "auto") else config.get("torch_dtype", config.get("dtype"))
    if not isinstance(named, str) or named not in _BYTES:
        raise ValueError(f"torch_dtype is {named!r}, not 16 bit")
    return _BYTES[named]


def _positions(config: Mapping[str, object]) -> int:
    """Rows of the rope table: YaRN stretches its original context by its factor."""
    rope = config.get("rope_scaling") or {}
    if isinstance(rope, dict) and "yarn" in (rope.get("type"), rope.get("rope_type")):
        original, factor = rope.get("original_max_position_embeddings"), rope.get("factor")
        if isinstance(original, int) and isinstance(factor, int | float):
            if 0 < original < 1 << 40 and 0 < factor < 1 << 20:
                return int(original * factor)
            raise ValueError("rope_scaling")
    return _size(config, "max_position_embeddings")


def _experts(name: str, config: Mapping[str, object]) -> Experts | None:
    if name == "MixtralForCausalLM":
        return Experts(_size(config, "num_local_experts"), _size(config, "intermediate_size"))
    if name == "Qwen3MoeForCausalLM":
        if config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1:
            raise ValueError("a mixture of dense and sparse layers")
        return Experts(_size(config, "num_experts"), _size(config, "moe_intermediate_size"))
    if not name.startswith("Deepseek"):
        return None
    if config.get("moe_layer_freq", 1) != 1:
        raise ValueError("moe_layer_freq")
    return Experts(
        _size(config, "n_routed_experts"),
        _size(config, "moe_intermediate_size"),
        shared=_zero_or(config, "n_shared_experts"),
        dense_layers=_zero_or(config, "first_k_dense_replace"),
        correction_bias=config.get("topk_method") == "noaux_tc",
    )


def _latent(name: str, config: Mapping[str, object]) -> Latent | None:
    if not name.startswith("Deepseek"):
        return None
    return Latent(
        q_rank=_zero_or(config, "q_lora_rank"),
        kv_rank=_size(config, "kv_lora_rank"),
        nope=_size(config, "qk_nope_head_dim"),
        rope=_size(config, "qk_rope_head_dim"),
        value=_size(config, "v_head_dim"),
    )
