"""Streams the bytes of a log through a cheap search and gives the readers what they want."""

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.logs import vllm_merge
from distcheck.agent.logs.framing import LONGEST_LINE, Framing
from distcheck.agent.logs.nccl import NcclReader
from distcheck.agent.logs.vllm import VllmReader
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.evidence.vllm import VllmLog
from distcheck.checks.knowledge import nccl_merge

CHUNK = 256 * 1024
_CRI_PART = (b"stdout P ", b"stderr P ")
_MESSAGE = " NCCL INFO "


class Distilled(Struct, frozen=True):
    """What one log, or several of one pod, show. `cut` says why reading stopped early."""

    source: str
    nccl: NcclLog
    vllm: VllmLog
    bytes: int
    lines: int
    cut: str | None = None


class Distiller:
    """One log, fed in chunks of any size. Memory does not grow with the log."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._nccl, self._vllm = NcclReader(source), VllmReader(source)
        self._framing = Framing()
        self._rest = b""
        self._bytes = self._lines = 0

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes of the log."""
        self._bytes += len(chunk)
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            self._keep(chunk)
            return
        block, rest = self._rest + chunk[:end], chunk[end:]
        self._rest = b""
        self._keep(rest)
        self._block(block)

    def _keep(self, part: bytes) -> None:
        """Hold an unfinished line, but no more of it than is ever read."""
        self._rest = (self._rest + part)[:LONGEST_LINE]

    def finish(self, cut: str | None = None) -> Distilled:
        """The end of the log; `cut` where it is not the true end."""
        if self._rest:
            self._block(self._rest + b"\n")
        for stamp, text in self._framing.flush():
            self._give(stamp, text)
        return Distilled(
            self._source,
            _scrubbed_nccl(self._nccl.result()),
            _scrubbed_vllm(vllm_merge.merge([self._vllm.result()])),
            self._bytes,
            self._lines,
            cut,
        )

    def _block(self, block: bytes) -> None:
        """Whole lines: only those with a needle are taken out and unframed."""
        counted = 0
        for start in self._starts(block):
            end = block.find(b"\n", start)
            self._lines += block.count(b"\n", counted, end) + 1
            counted = end + 1
            for stamp, text in self._framing.push(block[start : min(end, start + LONGEST_LINE)]):
                self._give(stamp, text)
        self._lines += block.count(b"\n", counted)

    def _starts(self, block: bytes) -> Iterator[int]:
        """Where the wanted lines start, in order; the next line too, while it is asked for."""
        hits = iter(sorted(_line_starts(block)))
        start, after = next(hits, None), 0
        while after < len(block):
            if self._framing.pending or self._nccl.wants_next:
                here = after
            elif start is None:
                return
            else:
                here = start
            yield here
            after = block.find(b"\n", here) + 1
            while start is not None and start < after:
                start = next(hits, None)

    def _give(self, stamp: str | None, text: str) -> None:
        self._nccl.line(self._lines, stamp, text)
        if _MESSAGE not in text:
            self._vllm.line(self._lines, stamp, text)


def _scrubbed_nccl(log: NcclLog) -> NcclLog:
    """The log without secrets in what it quotes: lines of others stand between NCCL's."""
    return replace(
        log,
        failures=tuple(replace(f, says=scrubbed(f.says)) for f in log.failures),
        marks=tuple(replace(m, says=scrubbed(m.says)) for m in log.marks),
        echoes=tuple(replace(e, value=scrubbed(e.value)) for e in log.echoes),
    )


def _scrubbed_vllm(log: VllmLog) -> VllmLog:
    failures = tuple(replace(f, says=scrubbed(f.says)) for f in log.failures)
    return replace(log, failures=failures)


_NEEDLES = tuple(dict.fromkeys((*NcclReader.WANTED, *VllmReader.WANTED, *_CRI_PART)))


def _line_starts(block: bytes) -> set[int]:
    """Offsets of the lines of `block` that hold any needle."""
    found: set[int] = set()
    for needle in _NEEDLES:
        at = block.find(needle)
        while at >= 0:
            found.add(block.rfind(b"\n", 0, at) + 1)
            end = block.find(b"\n", at)
            at = block.find(needle, end) if end >= 0 else -1
    return found


def distil_file(path: str, source: str | None = None) -> Distilled:
    """One log file, plain or gzip (by its first bytes); `-` is standard input.

    Raises:
        OSError: the file cannot be opened or read.
    """
    distiller = Distiller(source or ("<stdin>" if path == "-" else path))
    if path == "-":
        return _stream(sys.stdin.buffer, distiller)
    with Path(path).open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not packed:
            return _stream(file, distiller)
        with gzip.open(file) as unpacked:
            return _stream(unpacked, distiller)


def _stream(file: BinaryIO | gzip.GzipFile, distiller: Distiller) -> Distilled:
    cut = None
    try:
        while chunk := file.read(CHUNK):
            distiller.feed(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        cut = f"the compressed log is damaged: {error}"
    return distiller.finish(cut)


def distil_files(paths: Sequence[str], names: Sequence[str] | None = None) -> Distilled:
    """Several files of one pod, oldest first, as one; `names` are how lines are cited.

    Raises:
        OSError: a file cannot be opened or read.
    """
    names = paths if names is None else names
    return combine(distil_file(p, n) for p, n in zip(paths, names, strict=True))


def combine(parts: Iterable[Distilled]) -> Distilled:
    """Distilled files of one pod as one."""
    every = list(parts)
    return Distilled(
        ", ".join(p.source for p in every),
        nccl_merge.merge(p.nccl for p in every),
        vllm_merge.merge(p.vllm for p in every),
        sum(p.bytes for p in every),
        sum(p.lines for p in every),
        next((p.cut for p in every if p.cut), None),
    )
