"""A checkpoint's bytes once vLLM has loaded them, which is not always as they are stored."""

from collections.abc import Mapping

from distcheck.checks.knowledge.weights.checkpoint import Checkpoint
from distcheck.checks.knowledge.weights.layout import Engine
from distcheck.checks.knowledge.weights.stored_as import stored_in

_FULL = ("float32", "torch.float32", "float")
_HALVES = ("fp8", "mxfp8", "int8", "experts_int8", "ptpc_fp8")
_QUARTERS = ("bitsandbytes", "mxfp4", "nvfp4")
_LEAST = 8
"""Two bits for 16: the least that a method which is not known here leaves."""


def as_loaded(
    config: Mapping[str, object], engine: Engine, checkpoint: Checkpoint
) -> tuple[int, int]:
    """Least and most bytes of all tensors in the types that vLLM holds them in.

    It runs a float32 checkpoint in 16 bit unless told not to, and `--quantization` makes an
    unquantised one smaller while it is loaded; what of it stays in 16 bit is not known here.
    """
    quantised = stored_in(config) is not None
    if engine.dtype in _FULL:
        low, high = checkpoint.total_bytes, 2 * checkpoint.total_bytes
    else:
        low, high = _halved(config, checkpoint, quantised=quantised)
    return (low if quantised else low // _shrink(engine.quantisation)), high


def _halved(
    config: Mapping[str, object], checkpoint: Checkpoint, *, quantised: bool
) -> tuple[int, int]:
    """Float32 in 16 bit; scales and the like of a few tensors stay as they are."""
    total = checkpoint.total_bytes
    if not checkpoint.by_dtype:
        named = _named(config)
        # Without headers the type is what the file says of itself, where it does.
        return (total, total) if named and named not in _FULL else (total // 2, total)
    full = checkpoint.by_dtype.get("F32", 0)
    mostly = not quantised and 2 * full > total
    return total - full // 2, total - full // 2 if mostly else total


def _named(config: Mapping[str, object]) -> str:
    inner = config.get("text_config")
    parts = (config, inner if isinstance(inner, dict) else {})
    named = (part.get(key) for part in parts for key in ("torch_dtype", "dtype"))
    return next((name for name in named if isinstance(name, str)), "")


def _shrink(method: str | None) -> int:
    if method in (None, "none"):
        return 1
    if method.startswith(_HALVES):
        return 2
    return 4 if method.startswith(_QUARTERS) else _LEAST
