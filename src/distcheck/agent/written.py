"""When a log's file was last written: all the time that lines without a stamp have."""

import os
from datetime import UTC, datetime

from msgspec.structs import replace

from distcheck.agent.logs.distil import Distilled


def dated(part: Distilled, handle: int) -> Distilled:
    """`part`, read from the open file `handle`, with the time of the file's last write.

    Ask after reading: a line that is written meanwhile must not look older than its process.
    """
    at = {part.source: told} if (told := _last_write(handle)) else {}
    return replace(
        part,
        nccl=replace(part.nccl, written=at if part.nccl.lines or part.nccl.failures else {}),
        vllm=replace(part.vllm, written=at if part.vllm.lines else {}),
    )


def _last_write(handle: int) -> str | None:
    """RFC 3339; None on a file system that keeps no such time."""
    seconds = os.fstat(handle).st_mtime
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}" if seconds else None
    except (OverflowError, ValueError):
        return None
