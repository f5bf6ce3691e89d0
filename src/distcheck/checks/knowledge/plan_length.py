"""The longest request that vLLM lets a model serve, and its words where more is asked for."""

from collections.abc import Mapping

from distcheck.checks.knowledge.plan_room import text_sizes

_UNSCALED = ("su", "longrope", "llama3", "default", "mrope")
_MOST_FACTOR = 1 << 16


def longest_allowed(config: Mapping[str, object]) -> int | None:
    """Tokens, as vLLM derives them (vllm/config/model.py); None where that is not certain.

    YaRN counts from its original length, other scalings from `max_position_embeddings`;
    LongRoPE and Llama 3 have scaled theirs already. A `model_max_length` may allow more.
    """
    sizes = text_sizes(config)
    positions = sizes("max_position_embeddings")
    scaling = _scaling(config)
    if positions is None or scaling is None:
        return None
    scaled = _scaled(scaling, positions)
    return scaled and max(scaled, sizes("model_max_length") or 0)


def beyond_length(config: Mapping[str, object], length: int | None) -> str | None:
    """VLLM's refusal of `length` tokens; None where it is allowed, or may be."""
    most = longest_allowed(config)
    if most is None or length is None or length <= most:
        return None
    own = text_sizes(config)("model_max_length")
    return (
        f"User-specified max_model_len ({length}) is greater than the derived max_model_len"
        f" (max_position_embeddings={most} or model_max_length={own} in model's config.json)."
    )


def _scaling(config: Mapping[str, object]) -> Mapping[str, object] | None:
    """How the rope is scaled; empty where it is not, None where each kind of layer has its own."""
    inner = config.get("text_config")
    parts = (config, inner if isinstance(inner, dict) else {})
    named = (part.get(key) for part in parts for key in ("rope_scaling", "rope_parameters"))
    found = next((value for value in named if value), {})
    if not isinstance(found, dict) or any(isinstance(value, dict) for value in found.values()):
        return None
    return found


def _scaled(scaling: Mapping[str, object], positions: int) -> int | None:
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind in _UNSCALED:
        return positions
    factor, original = scaling.get("factor", 1.0), scaling.get("original_max_position_embeddings")
    if not isinstance(factor, int | float) or not 1 <= factor <= _MOST_FACTOR:
        return None
    if kind != "yarn":
        return int(positions * factor)
    whole = type(original) is int and 0 < original < 1 << 32
    return max(positions, int(original * factor)) if whole and isinstance(original, int) else None
