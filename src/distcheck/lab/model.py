"""The lab's models: the shape of each, as its public `config.json` has it."""

import json
from pathlib import Path

from msgspec import Struct

from distcheck.lab.scenario import ModelName, Scene

Config = dict[str, object]


class Model(Struct, frozen=True):
    """A model's folder in the containers, its description, and the bytes of its checkpoint."""

    path: str
    config: Config
    checkpoint_bytes: int

    def size(self, name: str) -> int:
        """A number of the description."""
        return int(str(self.config[name]))


def _llama(hidden: int, between: int, layers: int, heads: int, **more: object) -> Config:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": between,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        **more,
    }


def _of_layer(layer: int, block: str, parts: str) -> list[str]:
    return [f"model.layers.{layer}.{block}.{part}_proj" for part in parts.split()]


_16_BIT = [name for n in range(126) for name in _of_layer(n, "self_attn", "q k v o")]
_16_BIT += [name for n in (0, 125) for name in _of_layer(n, "mlp", "gate up down")]

_DEEPSEEK: Config = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "first_k_dense_replace": 3,
    "moe_layer_freq": 1,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "num_nextn_predict_layers": 1,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "vocab_size": 129280,
    "max_position_embeddings": 163840,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "quantization_config": {
        "quant_method": "fp8",
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "weight_block_size": [128, 128],
    },
}
_FBGEMM: Config = {
    "quant_method": "fbgemm_fp8",
    "activation_scale_ub": 1200.0,
    "modules_to_not_convert": [*_16_BIT, "lm_head"],
}
_MODELS: dict[ModelName, Model] = {
    "llama-3.1-8b": Model(
        "/models/Llama-3.1-8B-Instruct", _llama(4096, 14336, 32, 32), 16_060_522_496
    ),
    "llama-3.1-70b": Model(
        "/models/Llama-3.1-70B-Instruct", _llama(8192, 28672, 80, 64), 141_107_412_992
    ),
    "llama-3.1-405b-fp8": Model(
        "/models/Llama-3.1-405B-Instruct-FP8",
        _llama(16384, 53248, 126, 128, quantization_config=_FBGEMM),
        487_229_259_776,
    ),
    "deepseek-v3": Model("/models/DeepSeek-V3", _DEEPSEEK, 688_586_727_753),
}
"""Bytes of a checkpoint are those of all its tensors: DeepSeek's have one more layer, which
predicts further tokens, and which vLLM loads only when it is asked to."""

DRAFT = Model(
    "/models/Llama-3.1-70B-EAGLE3",
    _llama(6144, 16384, 1, 48, architectures=["LlamaForCausalLMEagle3"], draft_vocab_size=32000),
    2 * 1_559_236_608,
)
"""A head that drafts tokens for the 70B, of one layer."""


def model_of(scene: Scene) -> Model:
    """The model that the scene serves."""
    return _MODELS[scene.model]


def write_models(scene: Scene, root: Path) -> None:
    """The model's folder, and its draft's, without weights, under the container root `root`."""
    _write(model_of(scene), root)
    if "--speculative-config" in scene.flags:
        _write(DRAFT, root)


def _write(model: Model, root: Path) -> None:
    folder = root / model.path.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(model.config, indent=2))
    index = {"metadata": {"total_size": model.checkpoint_bytes}, "weight_map": {}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
