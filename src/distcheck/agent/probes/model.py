"""The model's own description: `config.json` and the size of its checkpoint."""

import json
from typing import Protocol

from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import ModelConfig

_MAX_CONFIG, _MAX_INDEX = 1 << 20, 64 << 20
_HUB = "hub/models--{name}/snapshots"
_CACHES = ("/root/.cache/huggingface",)


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
    return ModelConfig(path, config, _checkpoint_bytes(files, folder))


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
