"""A checkpoint as vLLM loads it, which is not always as it is stored."""

from msgspec import structs

from distcheck.checks.knowledge.plan import Ask
from distcheck.checks.knowledge.weights import Checkpoint, Estimate

_FULL = ("float32", "torch.float32", "float")


def loaded(ask: Ask) -> Checkpoint | None:
    """Bytes in the types that vLLM loads: a float32 checkpoint in 16 bit, unless told not to.

    None where `--quantization` changes the size in ways that a size alone cannot bound.
    """
    found = ask.checkpoint
    if found is None or (ask.engine.quantisation and not _is_quantised(ask)):
        return None
    if ask.engine.dtype in _FULL:
        return found
    full = found.by_dtype.get("F32", 0)
    if not found.by_dtype and _stored(ask) in _FULL:
        full = found.total_bytes
    return structs.replace(found, total_bytes=found.total_bytes - full // 2)


def widened(ask: Ask, found: Estimate) -> tuple[int, int]:
    """The bounds; the lower one halved where it is not known whether the file is float32."""
    size = ask.checkpoint
    unsure = size is not None and not size.by_dtype and not _stored(ask)
    return (found.low // 2 if unsure else found.low), found.high


def _is_quantised(ask: Ask) -> bool:
    return any(key in ask.config for key in ("quantization_config", "compression_config"))


def _stored(ask: Ask) -> str:
    """The type that `config.json` names; empty where it names none."""
    inner = ask.config.get("text_config")
    parts = (ask.config, inner if isinstance(inner, dict) else {})
    named = (part.get(key) for part in parts for key in ("torch_dtype", "dtype"))
    return next((name for name in named if isinstance(name, str)), "")
