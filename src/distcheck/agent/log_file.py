"""One log file, read and distilled; again only where it has changed."""

import os
import zlib
from contextlib import AbstractContextManager
from gzip import BadGzipFile
from typing import IO

from msgspec import Struct

from distcheck.agent.logs.distil import CHUNK, Distilled, Distiller
from distcheck.agent.probes import podlogs
from distcheck.agent.written import dated

_DAMAGE = (EOFError, BadGzipFile, zlib.error)
Sign = tuple[int, int, int]
"""Inode, size and time of the last change: alike where nothing was written."""


class Found(Struct, frozen=True):
    """A log file: how its lines are cited, and how it is opened."""

    source: str
    opened: AbstractContextManager[IO[bytes]]


class Kept(Struct, frozen=True):
    """What a file showed when it was read under `limit`, in bytes."""

    sign: Sign
    limit: int
    part: Distilled


def read(found: Found, limit: int, old: Kept | None) -> Kept:
    """What the file shows: `old` again, where nothing of the file has changed since.

    Raises:
        OSError: it cannot be read.
        ProbeError: it is no regular file.
    """
    with found.opened as file:
        seen = os.fstat(file.fileno())
        sign = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if old is not None and old.sign == sign and _stands(old, limit):
            return old
        part = _distilled(file, found.source, limit)
        return Kept(sign, limit, dated(part, file.fileno()))


def _stands(old: Kept, limit: int) -> bool:
    """Whether reading under `limit` would give the same again."""
    return old.limit == limit or (old.part.cut is None and old.part.bytes <= limit)


def _distilled(file: IO[bytes], source: str, limit: int) -> Distilled:
    distiller, left = Distiller(source), limit
    try:
        stream = podlogs.unpacked(file)
        while chunk := stream.read(CHUNK):
            if len(chunk) > left:
                return distiller.finish(f"{source} is read only in part: logs are too large")
            distiller.feed(chunk)
            left -= len(chunk)
    except _DAMAGE as error:
        return distiller.finish(f"{source} is damaged: {error}")
    return distiller.finish()
