"""Which table belongs to which architecture name of a `config.json`."""

from collections.abc import Callable, Mapping

from msgspec import structs

from distcheck.checks.knowledge.weights import dense, mixtures, vision
from distcheck.checks.knowledge.weights.layout import Unmodelled
from distcheck.checks.knowledge.weights.model import Model
from distcheck.checks.knowledge.weights.sizes import Sizes
from distcheck.checks.knowledge.weights.tensors import Rope, Rows

_TEXT: Mapping[str, Callable[[Sizes], Model]] = {
    "LlamaForCausalLM": dense.llama,
    "MistralForCausalLM": dense.llama,
    "Qwen2ForCausalLM": dense.qwen2,
    "Qwen3ForCausalLM": dense.qwen3,
    "Phi3ForCausalLM": dense.phi3,
    "GlmForCausalLM": dense.glm,
    "Glm4ForCausalLM": dense.glm4,
    "Gemma2ForCausalLM": dense.gemma2,
    "Gemma3ForCausalLM": dense.gemma3,
    "MixtralForCausalLM": mixtures.mixtral,
    "Qwen3MoeForCausalLM": mixtures.qwen3_moe,
    "DeepseekV2ForCausalLM": mixtures.deepseek,
    "DeepseekV3ForCausalLM": mixtures.deepseek,
    "GptOssForCausalLM": mixtures.gpt_oss,
    "Llama4ForCausalLM": mixtures.llama4,
}

# Sizes that a multimodal file leaves to the defaults of its configuration class in `transformers`.
_GEMMA3_TEXT = {
    "vocab_size": 262_208,
    "max_position_embeddings": 131_072,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
}
_DEFAULTS: Mapping[str, Mapping[str, float]] = {
    "Gemma2ForCausalLM": {"head_dim": 256},
    "Gemma3ForCausalLM": {"head_dim": 256},
    "GlmForCausalLM": {"partial_rotary_factor": 0.5},
    "Glm4ForCausalLM": {"partial_rotary_factor": 0.5},
}
_QWEN_VL = ("Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration")
_MROPE_LONGER = 4
"""mRoPE's table against the text's (layers/rotary_embedding/mrope.py, 0.7 to 0.33)."""


def model_of(config: Mapping[str, object]) -> Model:
    """The table of the model in `config`; Unmodelled, with the reason, where there is none."""
    name = architecture(config)
    c = Sizes(config)
    if name in _TEXT:
        return _TEXT[name](Sizes(config, _DEFAULTS.get(name)))
    if name == "Gemma3ForConditionalGeneration":
        text = dense.gemma3(c.inner("text_config", _GEMMA3_TEXT))
        return structs.replace(text, before=vision.siglip_of_gemma3(c))
    if name == "Llama4ForConditionalGeneration":
        text = mixtures.llama4(c.inner("text_config"))
        return structs.replace(text, before=vision.llama4(c), tied=False)
    if name in _QWEN_VL:
        return _qwen_vl(name, c)
    raise Unmodelled(f"weights of the architecture {name or None!r} are not modelled")


def architecture(config: Mapping[str, object]) -> str:
    """The first name in `architectures`; empty where there is none."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names else None
    return name if isinstance(name, str) else ""


def _qwen_vl(name: str, c: Sizes) -> Model:
    """Newer files keep the text's sizes in `text_config`, older ones beside `vision_config`."""
    flat = c if c.has("hidden_size") else c.inner("text_config")
    text = dense.qwen2(flat)
    width = flat.number("hidden_size")
    tower = vision.qwen2_vl if name.startswith("Qwen2VL") else vision.qwen2_5_vl
    ropes = (flat.inner("rope_scaling"), flat.inner("rope_parameters"))
    longer = _MROPE_LONGER if any(rope.has("mrope_section") for rope in ropes) else 1
    return structs.replace(
        text,
        before=tower(c, width),
        layer=lambda index: _stretched(text.layer(index), longer),
    )


def _stretched(rows: Rows, longer: int) -> Rows:
    return tuple(
        structs.replace(row, positions=row.positions * longer) if isinstance(row, Rope) else row
        for row in rows
    )


def architectures() -> tuple[str, ...]:
    """Every architecture whose table is known."""
    vision_names = ("Gemma3ForConditionalGeneration", "Llama4ForConditionalGeneration")
    return (*_TEXT, *vision_names, *_QWEN_VL)
