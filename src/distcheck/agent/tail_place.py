"""Where in a log reading stands, so that it goes on there when the file was renamed or packed.

A log is a row of files, oldest first, of which only the last grows. A file is known again by
its number (inode), and by its first bytes where it was packed in between: offsets count
unpacked bytes.
"""

import os
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from hashlib import blake2b

from msgspec import Struct

HEAD = 1024
CHUNK = 256 * 1024
_GZIP_BITS = 31


class Segment(Struct, frozen=True):
    """One file of a log: its name, what the folder says of it, and how it is opened."""

    name: str
    stat: os.stat_result
    opened: Callable[[], AbstractContextManager[int]]

    @property
    def packed(self) -> bool:
        """Whether the kubelet packed it."""
        return self.name.endswith(".gz")

    @property
    def order(self) -> str:
        """By this files of one log are in order; the name without what packing adds."""
        return self.name.removesuffix(".gz")


class Place(Struct, frozen=True):
    """Up to where a log was read: `offset` bytes, unpacked, of the file with this inode.

    `head` is a digest of the file's first `head_size` bytes, `size` and `changed` (in
    nanoseconds) what the folder said of it then. `after` is the last file that was read to
    its end, `""` where there was none.
    """

    name: str
    inode: tuple[int, int]
    offset: int = 0
    head: bytes = b""
    head_size: int = 0
    size: int = 0
    changed: int = 0
    after: str = ""


class Unzip:
    """A packed file from its start; what was unpacked last time is not unpacked again."""

    def __init__(self, inode: tuple[int, int]) -> None:
        self.inode = inode
        self._stream = zlib.decompressobj(_GZIP_BITS)
        self._at, self._rest = 0, b""
        self.out = 0

    def read(self, handle: int, size: int) -> bytes:
        """The next unpacked bytes, at most `size`; none at the end.

        Raises:
            zlib.error: it is damaged.
            EOFError: it ends early.
        """
        while True:
            data = self._rest or os.pread(handle, CHUNK, self._at)
            if not self._rest:
                self._at += len(data)
            if self._stream.eof:
                data = self._stream.unused_data.lstrip(b"\0") + data
                if not data.strip(b"\0"):
                    return b""
                self._stream = zlib.decompressobj(_GZIP_BITS)
            elif not data:
                raise EOFError("the compressed stream ends early")
            part = self._stream.decompress(data, size)
            self._rest = self._stream.unconsumed_tail
            if part:
                self.out += len(part)
                return part


def inode(seen: os.stat_result) -> tuple[int, int]:
    """What tells a file from others on the node."""
    return seen.st_dev, seen.st_ino


def head_of(segment: Segment, size: int) -> bytes:
    """The digest of a file's first `size` bytes, unpacked; empty where it is shorter.

    Raises:
        OSError: it cannot be read.
    """
    if not size:
        return b""
    with segment.opened() as handle:
        try:
            first = _first(segment, handle, size)
        except (zlib.error, EOFError):
            return b""
    return digest(first) if len(first) == size else b""


def digest(first: bytes) -> bytes:
    """By this the first bytes of a file are known again."""
    return blake2b(first, digest_size=16).digest()


def _first(segment: Segment, handle: int, size: int) -> bytes:
    if not segment.packed:
        return os.pread(handle, size, 0)
    unzip, first = Unzip(inode(segment.stat)), b""
    while len(first) < size and (part := unzip.read(handle, size - len(first))):
        first += part
    return first


def is_unchanged(place: Place, last: Segment) -> bool:
    """Whether nothing was written to the last file of a log since it was read to its end."""
    seen = last.stat
    return (
        place.inode == inode(seen)
        and place.name == last.name
        and place.size == place.offset == seen.st_size
        and place.changed == seen.st_mtime_ns
    )
