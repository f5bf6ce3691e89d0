"""What a checkpoint's own files say: its bytes, and the types of its tensors."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

_MOST_BYTES = 1 << 50
_TOLERANCE_LESS, _TOLERANCE_MORE = 0.07, 0.05


class Checkpoint(Struct, frozen=True):
    """Bytes of all tensors; by safetensors type name where the headers were read."""

    total_bytes: int
    by_dtype: dict[str, int] = {}


def from_index(index: Mapping[str, object]) -> Checkpoint | None:
    """From `model.safetensors.index.json`; None where it has no plausible total."""
    metadata = index.get("metadata")
    total = metadata.get("total_size") if isinstance(metadata, dict) else None
    if isinstance(total, float) and total.is_integer():
        total = int(total)
    if not isinstance(total, int) or isinstance(total, bool) or not 0 < total < _MOST_BYTES:
        return None
    return Checkpoint(total)


def from_headers(headers: Iterable[Mapping[str, object]]) -> Checkpoint | None:
    """From the JSON headers of all `*.safetensors` files; None where one is malformed."""
    by_dtype: dict[str, int] = {}
    for header in headers:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            sized = _entry(entry)
            if sized is None:
                return None
            by_dtype[sized[0]] = by_dtype.get(sized[0], 0) + sized[1]
    total = sum(by_dtype.values())
    return Checkpoint(total, by_dtype) if 0 < total < _MOST_BYTES else None


def _entry(entry: object) -> tuple[str, int] | None:
    if not isinstance(entry, dict):
        return None
    dtype, offsets = entry.get("dtype"), entry.get("data_offsets")
    if not isinstance(dtype, str) or not isinstance(offsets, list) or len(offsets) != 2:
        return None
    start, end = offsets
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end:
        return None
    return dtype, end - start


def disagreement(stored: int, loaded: tuple[int, int], implied: int) -> str:
    """Why a checkpoint is not the model that its `config.json` describes; empty where it is.

    `stored` bytes are between `loaded` once vLLM holds them. A checkpoint may hold more
    (DeepSeek-V3: 2 % of prediction layers) or less (gpt-oss: 6 % of padding).
    """
    least, most = (size / implied for size in loaded)
    if most >= 1 - _TOLERANCE_LESS and least <= 1 + _TOLERANCE_MORE:
        return ""
    return (
        f"the checkpoint has {stored / (1 << 30):.2f} GiB of tensors, "
        f"config.json implies {implied / (1 << 30):.2f} GiB"
    )
