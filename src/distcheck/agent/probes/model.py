"""The model's own description: `config.json` and the size of its checkpoint."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from distcheck.agent import model_keys
from distcheck.agent.checkpoint import CheckpointError, tensor_bytes
from distcheck.agent.container_json import Files, NotJsonError, inner, json_object
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.redact import shown_name
from distcheck.checks.evidence import ModelConfig

_MAX_CONFIG, _MAX_INDEX, _MAX_REF = 1 << 20, 64 << 20, 256
_MAX_FILES, _MAX_HEADERS = 1024, 64 << 20
_INDEX = "model.safetensors.index.json"
_QUANT = "hf_quant_config.json"
_HUB = "models--{name}"
_CACHES = ("/root/.cache/huggingface",)

_MOST_BYTES = 1 << 53
_Size = tuple[int | None, str, dict[str, int]]
"""Bytes of all tensors, where that is from (without a number: why), and the bytes by type."""

shown = model_keys.shown


def look(files: Files, model: str, caches: Iterable[str], folder: str | None = None) -> ModelConfig:
    """The description of `model`: a folder, or a name in a Hugging Face cache.

    `caches` are the container's folders of repositories (`HF_HOME/hub`), the likeliest first.
    `folder` is the working folder of the process that named the model: a relative path that
    is there comes before a name, as it does for vLLM.

    Raises:
        ProbeError: neither is there, several revisions are, or the file is no JSON object.
        OSError: it may not be read.
    """
    where = _folder(files, model, caches, folder)
    path = f"{where}/config.json"
    try:
        config = json_object(files.read(path, _MAX_CONFIG), path)
    except NotJsonError as error:
        raise ProbeError(str(error)) from error
    size, source, types = _checkpoint(files, where)
    return ModelConfig(path, shown(config), size, source, types, _quant_file(files, where))


def caches_of(home: str | None, hub: str | None) -> list[str]:
    """The folders that huggingface_hub looks in: `HF_HUB_CACHE`, `HF_HOME/hub`, root's own."""
    return [*filter(None, [hub]), *(f"{root}/hub" for root in (home, *_CACHES) if root)]


def _folder(files: Files, model: str, caches: Iterable[str], folder: str | None) -> str:
    if model.startswith("/"):
        return model.rstrip("/")
    local = f"{(folder or '').rstrip('/')}/{model}"
    if folder is not None and "config.json" in _names(files, local):
        return local
    for cache in caches:
        repository = f"{cache}/{_HUB.format(name=model.replace('/', '--'))}"
        revisions = _names(files, f"{repository}/snapshots")
        if revisions:
            return f"{repository}/snapshots/{_revision(files, repository, revisions)}"
    raise ProbeError(f"{shown_name(model)} is in no model cache of the container")


def _revision(files: Files, repository: str, revisions: Sequence[str]) -> str:
    """The only one there is, or the one that the branch `main` names."""
    if len(revisions) == 1:
        return revisions[0]
    try:
        main = files.read(f"{repository}/refs/main", _MAX_REF).decode("ascii", "replace").strip()
    except (ProbeError, OSError):
        main = ""
    if main in revisions:
        return main
    raise ProbeError(f"{repository} has {len(revisions)} revisions: which one is served")


def _names(files: Files, folder: str) -> list[str]:
    try:
        return _ascii(files.names(folder))
    except (ProbeError, OSError):
        return []


def _ascii(names: Iterable[str]) -> list[str]:
    """Names that evidence can hold; a checkpoint has no others."""
    return [name for name in names if name.isascii()]


def _quant_file(files: Files, folder: str) -> dict[str, object] | None:
    """What ModelOpt says beside `config.json`, where it does."""
    path = f"{folder}/{_QUANT}"
    try:
        told = json_object(files.read(path, _MAX_CONFIG), path)
    except (NotJsonError, ProbeError, OSError):
        return None
    return shown({"quantization": inner(told, "quantization")})


def _checkpoint(files: Files, folder: str) -> _Size:
    """`metadata.total_size` of the index; without it the headers of the files themselves."""
    path = f"{folder}/{_INDEX}"
    index: dict[str, object] = {}
    try:
        index = json_object(files.read(path, _MAX_INDEX), path)
    except FileNotFoundError:
        pass
    except (NotJsonError, ProbeError, OSError) as error:
        return None, str(error), {}
    size = inner(index, "metadata").get("total_size")
    if isinstance(size, int | float) and type(size) is not bool and 0 < size < _MOST_BYTES:
        return int(size), path, {}
    try:
        return _from_headers(files, folder, index)
    except (CheckpointError, ProbeError, OSError) as error:
        return None, str(error), {}


def _from_headers(files: Files, folder: str, index: dict[str, object]) -> _Size:
    names = _parts(inner(index, "weight_map").values(), _ascii(files.names(folder)))
    if not names:
        raise CheckpointError(f"{folder} has no safetensors files")
    if len(names) > _MAX_FILES:
        raise CheckpointError(f"{folder} has more than {_MAX_FILES} safetensors files")
    types: Counter[str] = Counter()
    left = _MAX_HEADERS
    for name in names:
        path = f"{folder}/{name}"
        with files.opened(path) as handle:
            size = os.fstat(handle).st_size
            found = tensor_bytes(handle, size, path)
        types.update(found)
        left -= size - sum(found.values())
        if left < 0:
            raise CheckpointError(f"the headers in {folder} have more than {_MAX_HEADERS} bytes")
    return sum(types.values()), f"headers of {len(names)} files in {folder}", dict(types)


def _parts(named: Iterable[object], there: Sequence[str]) -> list[str]:
    """The files of the checkpoint: those that the index names, else vLLM's choice of a folder's.

    A folder may hold the same weights twice, as `model*` and as `consolidated*`.
    """
    listed = sorted({n for n in named if isinstance(n, str) and n.isascii() and "/" not in n})
    tensors = [n for n in there if n.endswith(".safetensors")]
    return listed or [n for n in tensors if n.startswith("model")] or tensors
