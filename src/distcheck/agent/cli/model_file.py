"""`--model PATH`: a `config.json`, or the folder of a Hugging Face model."""

from pathlib import Path

import msgspec

from distcheck.agent.cli.exit import usage
from distcheck.checks.evidence import ModelConfig

_INDEX = "model.safetensors.index.json"
OWN = ("architectures", "model_type", "hidden_size", "text_config", "num_hidden_layers")
"""Keys of which each model's configuration has some."""


def read_model(text: str) -> ModelConfig:
    """The configuration, and the bytes of the checkpoint where its files or index are there.

    Raises:
        Stop: no such file, or no model's JSON object in it (exit code 2).
    """
    path = Path(text)
    file = path / "config.json" if path.is_dir() else path
    config = _object(file)
    if not any(key in config for key in OWN):
        says = f"it has none of {', '.join(OWN)}: not a model's configuration"
        raise usage(f"--model: {file}: {says}")
    return ModelConfig(str(file), config, _checkpoint_bytes(file.parent))


def _object(file: Path) -> dict[str, object]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, object])
    except OSError as error:
        hint = "; a name is not looked up, give a path" if str(file).count("/") == 1 else ""
        raise usage(f"--model: {file}: {error.strerror}{hint}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise usage(f"--model: {file} is not the JSON object of a model: {error}") from error


def _checkpoint_bytes(folder: Path) -> int | None:
    """Sizes of the weight files; else `metadata.total_size` of the index that lists them."""
    if sizes := [f.stat().st_size for f in folder.glob("*.safetensors") if f.is_file()]:
        return sum(sizes)
    if not (folder / _INDEX).is_file():
        return None
    metadata = _object(folder / _INDEX).get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    return int(total) if isinstance(total, int | float) else None
