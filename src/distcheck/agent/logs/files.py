"""Opens log files, plain or gzip, standard input or a pipe, and streams them to a distiller."""

import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from distcheck.agent.logs.distil import CHUNK, Distilled, Distiller
from distcheck.agent.logs.folders import printable
from distcheck.agent.logs.stopping import Stopped, Stopping, Told

STDIN = "-"
STOPPED = "stopped by a signal"
_GZIP = b"\x1f\x8b"
_GZIP_BITS = 31
_PACKED = {b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd", b"BZh": "bzip2", b"PK\x03\x04": "zip"}
_FLAGS = os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC


class DamagedError(Exception):
    """A compressed log that cannot be read to its end."""


def name_of(path: str) -> str:
    """How lines of `path` are cited."""
    return "<stdin>" if path == STDIN else printable(path)


def distil_file(
    path: str,
    source: str | None = None,
    stopping: Stopping | None = None,
    told: Told | None = None,
) -> Distilled:
    """One log file, plain or gzip (by its first bytes); `-` is standard input.

    What `stopping` or damage leaves unread is said in `cut`.

    Raises:
        OSError: the file cannot be opened or read; its `filename` is set.
    """
    distiller, stopping = Distiller(source or name_of(path)), stopping or Stopping()
    try:
        with _opened(path, stopping) as descriptor:
            for chunk in unpacked(_chunks(descriptor, stopping, path, told)):
                distiller.feed(chunk)
    except Stopped:
        return distiller.finish(STOPPED)
    except DamagedError as error:
        return distiller.finish(f"{source or name_of(path)} is damaged: {error}")
    except OSError as error:
        error.filename = error.filename or name_of(path)
        raise
    return distiller.finish()


@contextmanager
def _opened(path: str, stopping: Stopping) -> Iterator[int]:
    """A descriptor; opening a named pipe waits for its writer."""
    if path == STDIN:
        if sys.stdin is None:
            raise OSError(0, "standard input is closed", name_of(path))
        yield sys.stdin.fileno()
        return
    with stopping.waiting():
        descriptor = os.open(path, _FLAGS)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _chunks(descriptor: int, stopping: Stopping, path: str, told: Told | None) -> Iterator[bytes]:
    total = 0
    while True:
        stopping.until_readable(descriptor)
        chunk = os.read(descriptor, CHUNK)
        if not chunk:
            return
        total += len(chunk)
        if told is not None:
            told(name_of(path), total)
        yield chunk


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of `chunks`, without gzip where the first two say that it has it.

    Raises:
        DamagedError: the gzip stream is broken or ends early; all before it was given.
    """
    rest = iter(chunks)
    head = b""
    for chunk in rest:
        head += chunk
        if len(head) > 1 or not _GZIP.startswith(head):
            break
    if head.startswith(_GZIP):
        yield from _inflated(head, rest)
        return
    packed = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
    if packed is not None:
        raise OSError(0, f"is packed with {packed}: unpack it first")
    if head:
        yield head
    yield from rest


def _inflated(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """All members of a gzip stream, in parts of bounded size: a small file may unpack to much."""
    stream, data = zlib.decompressobj(_GZIP_BITS), head
    while data or (data := next(rest, b"")):
        try:
            part = stream.decompress(data, CHUNK)
        except zlib.error as error:
            raise DamagedError(str(error).partition(": ")[2] or str(error)) from error
        if part:
            yield part
        data = stream.unconsumed_tail
        if stream.eof:
            stream, data = zlib.decompressobj(_GZIP_BITS), _next_member(stream.unused_data, rest)
            if not data:
                return
    raise DamagedError("the compressed stream ends early")


def _next_member(data: bytes, rest: Iterator[bytes]) -> bytes:
    """What follows a member; zeros between members are padding."""
    while not (data := data.lstrip(b"\0")) and (data := next(rest, b"")):
        pass
    return data
