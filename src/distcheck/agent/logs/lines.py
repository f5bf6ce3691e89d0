"""Whole lines of a log to its readers: only the wanted ones, known ones the short way."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from distcheck.agent.logs.clients import own_words
from distcheck.agent.logs.engines import EngineReader
from distcheck.agent.logs.framing import LONGEST_LINE, Framing
from distcheck.agent.logs.nccl import NcclReader
from distcheck.agent.logs.ray import RayReader
from distcheck.agent.logs.search import Hits, Search
from distcheck.agent.logs.vllm import VllmReader
from distcheck.checks.evidence.nccl import NcclLog

_CRI_PART = (b"stdout P ", b"stderr P ")
_MESSAGE = " NCCL INFO "
_STAMP = 48
"""Bytes within which CRI's time stamp, stream and tag stand."""
_DENSE = 800
"""Bytes for each hit below which it is quicker to cut a block into all of its lines."""
_LONGEST_KNOWN = 1024
"""Bytes of a line of which the like is worth knowing."""

_ENGINES = (*VllmReader.WANTED, *EngineReader.WANTED, *RayReader.WANTED)
_OTHER_NEEDLES = tuple(dict.fromkeys((*_ENGINES, *NcclReader.WANTED[1:], *_CRI_PART)))
_OTHERS = Search(_OTHER_NEEDLES)
_EVERY = Search((*NcclReader.WANTED[:1], *_OTHER_NEEDLES))


class Readers(NamedTuple):
    """Who takes the lines of one log."""

    nccl: NcclReader
    vllm: VllmReader
    engine: EngineReader
    ray: RayReader


class Lines:
    """Gives lines to the readers, `read` of them so far."""

    def __init__(self, readers: Readers, framing: Framing, read: int) -> None:
        self._nccl, self._engines = readers[0], readers[1:]
        self._framing = framing
        self.read = read

    def block(self, block: bytes) -> None:
        """Whole lines, each with its newline. Where few hold a needle, only those are cut out."""
        hits = None if self._greedy else _EVERY.hits(block, len(block) // _DENSE)
        if hits is None:
            self._dense(block)
        else:
            self._sparse(block, hits)

    def begin(self, start: bytes) -> None:
        """The start of a line whose end is still to come, up to a carriage return."""
        self._line(self.read + 1, start)

    def cut(self, rest: bytes) -> None:
        """What of a line is not read, for its length: it is said where NCCL is in it."""
        self._framing.lost += b"NCCL" in rest

    def nccl(self) -> NcclLog:
        """What the NCCL reader found, and how much of NCCL's was cut."""
        log = self._nccl.result()
        lost = self._framing.lost
        said = (f"{lost} lines with NCCL's name in them, cut after 64 KiB",) * bool(lost)
        return replace(log, dropped=(*log.dropped, *said))

    def end(self) -> None:
        """The log has ended: give what was left of lines whose end never came."""
        self._give_all(self.read, self._framing.flush())

    def _sparse(self, block: bytes, hits: Hits) -> None:
        """Take the lines at `hits`; all lines from where one asks for the next.

        A block with parts of CRI lines is better read whole.
        """
        lines, numbers, ends = [], [], [0]
        number, end = self.read, -1
        for hit in hits:
            if hit > end:
                start, counted = block.rfind(b"\n", 0, hit) + 1, end + 1
                end = block.find(b"\n", hit)
                if block.find(b" P ", start, start + _STAMP) >= 0:
                    return self._dense(block)
                number += block.count(b"\n", counted, end) + 1
                lines.append(block[start:end])
                numbers.append(number)
                ends.append(end + 1)
        taken = self._take(lines, numbers, (), every=False)
        if taken < len(lines) or self._greedy:
            self.read = numbers[taken - 1]
            return self._dense(block[ends[taken] :])
        self.read = number + block.count(b"\n", end + 1)
        return None

    def _dense(self, block: bytes) -> None:
        """Take every line."""
        lines = block.split(b"\n")
        lines.pop()
        numbers = range(self.read + 1, self.read + 1 + len(lines))
        self._take(lines, numbers, _special(block), every=True)
        self.read += len(lines)

    def _take(
        self, lines: Sequence[bytes], numbers: Sequence[int], special: Sequence[int], *, every: bool
    ) -> int:
        """Take lines the short way where their like is known, else the long one; how many.

        With `every`, these are all lines, of which those in `special` hold a needle beside
        NCCL's name. Else all hold a needle, and taking ends where one asks for the next line.
        """
        at, stops = 0, iter((*special, len(lines)))
        stop = next(stops)
        while at < len(lines):
            while at > stop:
                stop = next(stops)
            if not self._greedy:
                at = self._nccl.quick(lines, at, stop, numbers, every=every)
            if at < len(lines) and not (at == stop and self._known(lines, at, numbers)):
                self._line(numbers[at], lines[at])
                if self._greedy and not every:
                    return at + 1
            at += 1
        return len(lines)

    def _known(self, lines: Sequence[bytes], at: int, numbers: Sequence[int]) -> bool:
        """Whether the short way took a line that holds another needle beside NCCL's."""
        if self._greedy or any(part in lines[at][:_STAMP] for part in _CRI_PART):
            return False
        return self._nccl.quick(lines, at, at + 1, numbers, every=False) > at

    @property
    def _greedy(self) -> bool:
        """The next line is wanted whatever it holds."""
        return self._framing.pending or self._nccl.wants_next

    def _line(self, number: int, raw: bytes) -> None:
        """Take a line the long way."""
        whole = not self._greedy and len(raw) <= _LONGEST_KNOWN
        for part in (raw,) if whole or len(raw) <= LONGEST_LINE else raw.split(b"\r"):
            if len(part) > LONGEST_LINE:
                self.cut(part[LONGEST_LINE:])
            self._give_all(number, self._framing.push(part[:LONGEST_LINE]))
        if whole and not self._framing.pending:
            self._nccl.learn(raw)

    def _give_all(self, number: int, texts: Iterable[tuple[str | None, str]]) -> None:
        """One record's texts: all that follows a client's words in it is the client's too."""
        for stamp, text in texts:
            own = own_words(text)
            self._give(number, stamp, own)
            if len(own) < len(text):
                return

    def _give(self, number: int, stamp: str | None, text: str) -> None:
        self._nccl.line(number, stamp, text)
        if _MESSAGE not in text:
            for engine in self._engines:
                engine.line(number, stamp, text)


def _special(block: bytes) -> list[int]:
    """Which lines of the block, from 0, hold a needle beside NCCL's name."""
    found: dict[int, None] = {}
    number = counted = 0
    for hit in _OTHERS.hits(block, len(block)) or ():
        number += block.count(b"\n", counted, hit)
        counted = hit
        found[number] = None
    return list(found)
