"""The header of a safetensors file: how many bytes its tensors have."""

import json
import os
import re
import struct

_MAX_HEADER = 16_000_000
"""Of a file; the format allows 100 MB, and a file of 10,000 tensors has about 1 MB."""
_READ = 1 << 20
_TYPE = re.compile(r"[A-Z0-9_]{1,16}\Z", re.ASCII)


class CheckpointError(ValueError):
    """Not a whole safetensors file; the message names it."""


def tensor_bytes(handle: int, size: int, path: str) -> dict[str, int]:
    """Bytes of the tensors of the open file `handle`, which has `size` bytes, by their type.

    The file is eight bytes with the header's length, the header, and the tensors with no
    gap. A file whose header and size differ is cut short, or no safetensors file.

    Raises:
        CheckpointError: so it is.
        OSError: it cannot be read.
    """
    start = _read(handle, 0, 8)
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= min(_MAX_HEADER, size - 8):
        raise CheckpointError(f"{path} is no safetensors file")
    found = _by_type(_read(handle, 8, length), path)
    said = 8 + length + sum(found.values())
    if said != size:
        raise CheckpointError(f"{path} has {size} bytes, and its header says {said}")
    return found


def _by_type(header: bytes, path: str) -> dict[str, int]:
    try:
        tensors = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} has a header that is not JSON") from error
    if not isinstance(tensors, dict):
        raise CheckpointError(f"{path} has a header that is not a JSON object")
    found: dict[str, int] = {}
    for key, entry in tensors.items():
        if key != "__metadata__":
            dtype, size = _entry(entry, path)
            found[dtype] = found.get(dtype, 0) + size
    return found


def _entry(entry: object, path: str) -> tuple[str, int]:
    """(type, bytes) of a tensor."""
    told = entry if isinstance(entry, dict) else {}
    dtype, offsets = told.get("dtype"), told.get("data_offsets")
    if isinstance(dtype, str) and _TYPE.match(dtype) and isinstance(offsets, list):
        whole = [type(o) for o in offsets] == [int, int]
        if whole and 0 <= offsets[0] <= offsets[1]:
            return dtype, offsets[1] - offsets[0]
    raise CheckpointError(f"{path} has a tensor without a type or a place")


def _read(handle: int, at: int, length: int) -> bytes:
    """At most `length` bytes from `at` on; fewer where the file ends."""
    parts: list[bytes] = []
    while length > 0 and (part := os.pread(handle, min(length, _READ), at)):
        parts.append(part)
        at, length = at + len(part), length - len(part)
    return b"".join(parts)
