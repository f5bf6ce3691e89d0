"""The bytes of a checkpoint: from the headers of its files, or from the Hub's count."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from distcheck.agent.checkpoint import CheckpointError, tensor_bytes
from distcheck.checks.knowledge.weights import Checkpoint

_MAX_FILES = 2048
_ELEMENT = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "BF16": 2, "F16": 2, "I16": 2}
_BYTE = ("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL")


def parts(index: Mapping[str, object], folder: Path) -> list[str]:
    """The files that the index names, else those vLLM would choose: `model*` before others."""
    named = index.get("weight_map")
    values = named.values() if isinstance(named, dict) else ()
    listed = sorted({n for n in values if isinstance(n, str) and "/" not in n})
    there = sorted(entry.name for entry in folder.iterdir() if entry.suffix == ".safetensors")
    return listed or [n for n in there if n.startswith("model")] or there


def sizes_of(folder: Path, names: Sequence[str]) -> Checkpoint | None:
    """Bytes by type of all these files; None where there are none.

    Raises:
        CheckpointError: one is missing, cut short, or no safetensors file.
        OSError: one cannot be read.
    """
    if len(names) > _MAX_FILES:
        raise CheckpointError(f"{folder} has more than {_MAX_FILES} safetensors files")
    types: Counter[str] = Counter()
    for name in names:
        types.update(_header(folder / name))
    total = sum(types.values())
    return Checkpoint(total, dict(types)) if total else None


def _header(path: Path) -> dict[str, int]:
    if not path.is_file():
        raise CheckpointError(f"{path} is not there, or no regular file")
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return tensor_bytes(handle, os.fstat(handle).st_size, str(path))
    finally:
        os.close(handle)


def counted(told: Mapping[str, object]) -> Checkpoint | None:
    """The Hub's answer counts a model's parameters by type."""
    part = told.get("safetensors")
    counts = part.get("parameters") if isinstance(part, dict) else None
    if not isinstance(counts, dict) or not counts:
        return None
    sizes = {kind: _size(kind, count) for kind, count in counts.items()}
    if None in sizes.values():
        return None
    known = {kind: size for kind, size in sizes.items() if size}
    total = sum(known.values())
    return Checkpoint(total, known) if 0 < total < 1 << 50 else None


def _size(kind: str, count: object) -> int | None:
    each = 1 if kind in _BYTE else _ELEMENT.get(kind)
    whole = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return each * count if each and whole and isinstance(count, int) else None
