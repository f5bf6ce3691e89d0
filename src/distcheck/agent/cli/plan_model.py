"""`plan --model PATH`: a `config.json`, a model's folder, or what the Hub said of a model."""

import json
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from msgspec import Struct

from distcheck.agent.checkpoint import CheckpointError
from distcheck.agent.cli.exit import Stop, usage
from distcheck.agent.cli.model_file import OWN
from distcheck.agent.cli.plan_checkpoint import counted, parts, sizes_of
from distcheck.agent.redact import plain_text
from distcheck.checks.knowledge.weights import Checkpoint, from_index, with_quant_file

_CONFIG, _INDEX, _QUANT = "config.json", "model.safetensors.index.json", "hf_quant_config.json"
_MAX_CONFIG, _MAX_INDEX = 4 << 20, 64 << 20
_MAX_NAMES, _SHOWN = 1024, 4
_WRAPPERS = ("config", "model_config", "hf_config")


class ModelFiles(Struct, frozen=True):
    """What was read. `notes` say what could not be."""

    name: str
    source: str
    config: dict[str, object]
    checkpoint: Checkpoint | None = None
    notes: tuple[str, ...] = ()


def read_plan_model(text: str) -> ModelFiles:
    """The configuration, and the checkpoint's size where its files or their index are there.

    Raises:
        Stop: no such file, or no model's JSON object in it (exit code 2).
    """
    path = Path(text)
    folder = _is_folder(path, text)
    file = path / _CONFIG if folder else path
    if folder and not file.exists():
        raise _bad(file, f"there is no such file{_others(path)}")
    told = _object(file, _MAX_CONFIG)
    config = _unwrapped(told, file)
    if file.name != _CONFIG:
        return ModelFiles(_name(told, file.stem), str(file), config, counted(told))
    config = _with_quant(config, file.parent)
    checkpoint, notes = _checkpoint(file.parent)
    name = _name(
        told, file.parent.resolve().name if folder or len(file.parts) > 1 else _kind(config)
    )
    source = str(file) if len(file.parts) > 1 else f"./{file}"
    return ModelFiles(name, source, config, checkpoint or counted(told), notes)


def _is_folder(path: Path, text: str) -> bool:
    try:
        if path.is_dir():
            return True
        path.stat()
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        hint = "; a name is not looked up, give a path" if text.count("/") == 1 else ""
        raise usage(f"--model: {text}: {words}{hint}") from error
    return False


def _others(folder: Path) -> str:
    """Other files of a folder that may be configurations: up to four names."""
    try:
        names = sorted(entry.name for entry in islice(folder.glob("*.json"), _MAX_NAMES))
    except OSError:
        return ""
    shown = ", ".join(plain_text(name[:100]) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"; give one of {shown}{more}" if names else ""


def _object(file: Path, limit: int) -> dict[str, object]:
    """The JSON object of a regular file."""
    try:
        if not file.is_file():
            missing = "there is no such file" if not file.exists() else "it is no regular file"
            raise _bad(file, missing)
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise _bad(file, error.strerror or str(error)) from error
    if len(data) > limit:
        raise _bad(file, f"it is longer than {limit >> 20} MiB, and so no {file.name or 'model'}")
    return _decoded(file, data)


def _decoded(file: Path, data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data)
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _bad(file, "it holds characters that no text can have (lone surrogates)") from error
    except (ValueError, RecursionError) as error:
        raise _bad(file, f"it is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise _bad(file, "it is not a JSON object")
    return value


def _bad(file: Path, says: str) -> Stop:
    return usage(f"--model: {file}: {says}")


def _unwrapped(told: dict[str, object], file: Path) -> dict[str, object]:
    """The configuration itself, where something stands around it."""
    if any(key in told for key in OWN):
        return told
    for key in _WRAPPERS:
        inner = told.get(key)
        if isinstance(inner, dict) and any(own in inner for own in OWN):
            return inner
    if "weight_map" in told:
        raise _bad(file, "this is the index of a checkpoint; give config.json or the folder")
    raise _bad(file, f"it has none of {', '.join(OWN)}: not a model's configuration")


def _kind(config: Mapping[str, object]) -> str:
    """The name of its class, where the file lies in a folder of any name."""
    kinds = config.get("architectures")
    kind = kinds[0] if isinstance(kinds, list) and kinds else None
    return kind if isinstance(kind, str) and kind else _CONFIG


def _name(told: Mapping[str, object], fallback: str) -> str:
    named = (told.get(key) for key in ("_name_or_path", "modelId", "model_id", "id"))
    name = next((n for n in named if isinstance(n, str) and n), fallback)
    return plain_text(name[:200])


def _with_quant(config: dict[str, object], folder: Path) -> dict[str, object]:
    """ModelOpt says how it quantised in a file of its own."""
    if config.get("quantization_config") is not None or not (folder / _QUANT).is_file():
        return config
    return with_quant_file(config, _object(folder / _QUANT, _MAX_CONFIG))


def _checkpoint(folder: Path) -> tuple[Checkpoint | None, tuple[str, ...]]:
    """From the index; without its total from the headers of the files themselves."""
    index: dict[str, object] = {}
    if (folder / _INDEX).is_file():
        index = _object(folder / _INDEX, _MAX_INDEX)
        if (found := from_index(index)) is not None:
            return found, ()
    try:
        return sizes_of(folder, parts(index, folder)), ()
    except (CheckpointError, OSError) as error:
        return None, (f"the checkpoint's size is not used: {error}",)
