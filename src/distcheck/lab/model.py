"""The lab's model: the shape of Llama-3.1-70B, as its public `config.json` has it."""

import json
from pathlib import Path

from distcheck.lab.layout import MODEL_PATH

CONFIG: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
CHECKPOINT_BYTES = 141_107_412_992
"""Bytes of all tensors: 70,553,706,496 parameters of two bytes."""


def write_model(root: Path) -> None:
    """The model's folder, without its weights, under the container root `root`."""
    folder = root / MODEL_PATH.lstrip("/")
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=2))
    index = {"metadata": {"total_size": CHECKPOINT_BYTES}, "weight_map": {}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
