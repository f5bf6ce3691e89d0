"""When a log's file was last written: all the time that lines without a stamp have."""

import os

from msgspec.structs import replace

from distcheck.agent import clock
from distcheck.agent.logs.distil import Distilled


def dated(part: Distilled, handle: int) -> Distilled:
    """`part`, read from the open file `handle`, with the time of the file's last write.

    Ask after reading: a line that is written meanwhile must not look older than its process.
    """
    return dated_at(part, os.fstat(handle).st_mtime)


def dated_at(part: Distilled, seconds: float) -> Distilled:
    """`part`, whose file was last written at `seconds` (Unix); 0 where nobody keeps the time."""
    at = {part.source: told} if (told := _stamp(seconds)) else {}
    return replace(
        part,
        nccl=replace(part.nccl, written=at if part.nccl.lines or part.nccl.failures else {}),
        vllm=replace(part.vllm, written=at if part.vllm.lines else {}),
    )


def _stamp(seconds: float) -> str | None:
    """RFC 3339; None on a file system that keeps no such time."""
    try:
        return clock.at(seconds) if seconds else None
    except (OverflowError, ValueError):
        return None
