"""The model's own description: `config.json` and the size of its checkpoint."""

import json
from collections.abc import Mapping
from typing import Protocol

from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.redact import HIDDEN, scrubbed
from distcheck.checks.evidence import ModelConfig

_MAX_CONFIG, _MAX_INDEX = 1 << 20, 64 << 20
_HUB = "hub/models--{name}/snapshots"
_CACHES = ("/root/.cache/huggingface",)
_SHAPE = (
    "architectures attention_bias decoder_sparse_step dtype first_k_dense_replace head_dim "
    "hidden_size intermediate_size kv_lora_rank max_position_embeddings mlp_bias mlp_only_layers "
    "model_type moe_intermediate_size moe_layer_freq n_routed_experts n_shared_experts "
    "num_attention_heads num_experts num_hidden_layers num_key_value_heads num_local_experts "
    "q_lora_rank qk_nope_head_dim qk_rope_head_dim tie_word_embeddings topk_method torch_dtype "
    "v_head_dim vocab_size"
)
_SHOWN: dict[str, frozenset[str]] = {
    "": frozenset(_SHAPE.split()),
    "text_config": frozenset(_SHAPE.split()),
    "rope_scaling": frozenset(("type", "rope_type", "factor", "original_max_position_embeddings")),
    "quantization_config": frozenset(
        ("quant_method", "weight_block_size", "bits", "w_bit", "modules_to_not_convert")
    )
    | {"group_size", "q_group_size"},
}
"""Keys of `config.json` that leave the node, by the object that holds them: a file may hold more
than a model's shape."""


class Files(Protocol):
    """The part of a container's file system that this needs."""

    def read(self, path: str, limit: int) -> bytes:
        """A regular file, at most `limit` bytes."""
        ...

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted."""
        ...


def look(files: Files, model: str, cache: str | None) -> ModelConfig:
    """The description of `model`: an absolute folder, or a name in the Hugging Face cache.

    `cache` is the container's `HF_HOME`, where it has one.

    Raises:
        ProbeError: neither is there, or the file is no JSON object.
        OSError: it may not be read.
    """
    folder = model if model.startswith("/") else _snapshot(files, model, cache)
    path = f"{folder}/config.json"
    config = _object(files.read(path, _MAX_CONFIG), path)
    return ModelConfig(path, shown(config), _checkpoint_bytes(files, folder))


def shown(config: Mapping[str, object], part: str = "") -> dict[str, object]:
    """What of a model's `config.json` is evidence; `part` names the nested object that it is."""
    kept: dict[str, object] = {}
    for key, value in config.items():
        if key in _SHOWN and isinstance(value, dict):
            kept[key] = shown(value, key)
        elif key in _SHOWN[part] or key in _SHOWN:
            kept[key] = _plain(value)
    return kept


def _plain(value: object) -> object:
    """A scalar or a list of scalars; anything deeper is hidden, not dropped as if not set."""
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, list):
        return [_plain(v) if not isinstance(v, list) else HIDDEN for v in value]
    return HIDDEN if isinstance(value, dict) else value


def _snapshot(files: Files, model: str, cache: str | None) -> str:
    """huggingface_hub keeps `models--ORG--NAME/snapshots/REVISION` below its cache."""
    for root in filter(None, (cache, *_CACHES)):
        folder = f"{root}/{_HUB.format(name=model.replace('/', '--'))}"
        found = _names(files, folder)
        if found:
            return f"{folder}/{found[-1]}"
    raise ProbeError(f"{model} is in no model cache of the container")


def _names(files: Files, folder: str) -> list[str]:
    try:
        return files.names(folder)
    except OSError:
        return []


def _object(data: bytes, path: str) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProbeError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ProbeError(f"{path} is not a JSON object")
    return value


def _checkpoint_bytes(files: Files, folder: str) -> int | None:
    """`metadata.total_size` of the index: the bytes of all tensors, where there is an index."""
    path = f"{folder}/model.safetensors.index.json"
    try:
        metadata = _object(files.read(path, _MAX_INDEX), path).get("metadata")
    except (ProbeError, OSError):
        return None
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    return size if isinstance(size, int) else None
