"""Reads on in a log from where reading stood, a bounded number of bytes at a time."""

import os
import zlib
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.tail_place import (
    CHUNK,
    HEAD,
    Place,
    Segment,
    Unzip,
    digest,
    head_of,
    inode,
    is_unchanged,
)

_LOST = "it was cut or rotated away while it was read: what was written last may be lost"


class Read(Struct):
    """What one look at a log gave. `place` is None where there is nothing to read yet.

    `said` are gaps: what was written and cannot be read any more. With `anew`, the file is
    another one than before. `left` are bytes that are still to be read, as far as is known.
    """

    place: Place | None
    data: list[bytes]
    said: list[str]
    anew: bool = False
    left: int = 0
    unzip: Unzip | None = None

    @property
    def size(self) -> int:
        """Bytes that were read."""
        return sum(map(len, self.data))


class Reading:
    """One look at the files of one log, oldest first."""

    def __init__(
        self, segments: Sequence[Segment], place: Place | None, unzip: Unzip | None
    ) -> None:
        self._segments, self._unzip = segments, unzip
        self._read = Read(place, [], [])

    def read(self, budget: int) -> Read:
        """Go on where reading stood, for at most about `budget` bytes.

        Raises:
            OSError: a file cannot be read.
        """
        place, segments, read = self._read.place, self._segments, self._read
        if not segments or (place is not None and is_unchanged(place, segments[-1])):
            return read
        at, read.place = self._found(place)
        while budget > 0:
            before = budget
            budget -= self._some(segments[at], budget)
            if self._is_over(segments[at]) and at + 1 < len(segments):
                after = segments[at].order
                at += 1
                read.place = _start(segments[at], after)
            elif budget == before:
                break
        read.left = self._left(at)
        read.unzip = self._unzip
        return read

    def _found(self, place: Place | None) -> tuple[int, Place]:
        """The file that was being read, by its number or its first bytes, else the next one."""
        if place is None:
            return 0, _start(self._segments[0], "")
        numbers = [at for at, s in enumerate(self._segments) if inode(s.stat) == place.inode]
        others = [at for at in range(len(self._segments)) if at not in numbers]
        for at in (*numbers, *(others if place.head_size else ())):
            one = self._segments[at]
            if _holds(one, place) and head_of(one, place.head_size) == place.head:
                return at, replace(place, name=one.name, inode=inode(one.stat))
        return self._lost(place)

    def _lost(self, place: Place) -> tuple[int, Place]:
        """The file is not there any more: it was rotated away, or cut and written anew.

        A file with its number may be another one, as file systems give numbers again.
        """
        last = len(self._segments) - 1
        later = (at for at in range(last) if self._segments[at].order > place.after)
        at = next(later, last)
        if place.offset:
            self._read.said.append(_LOST)
            self._read.anew = True
        return at, _start(self._segments[at], place.after)

    def _some(self, one: Segment, budget: int) -> int:
        """Read from one file; how much of the budget that took."""
        with one.opened() as handle:
            seen = os.fstat(handle)
            if inode(seen) != inode(one.stat):
                return 0
            if one.packed:
                return self._unpacked(one, handle, budget)
            return self._plain(handle, seen, budget)

    def _plain(self, handle: int, seen: os.stat_result, budget: int) -> int:
        spent, place = 0, self._place
        at = place.offset
        while spent < budget and at < seen.st_size:
            chunk = os.pread(handle, min(CHUNK, budget - spent, seen.st_size - at), at)
            if not chunk:
                break
            spent += len(chunk)
            at += len(chunk)
            if chunk.count(0) == len(chunk):
                at = _after_hole(handle, at, seen.st_size)
            else:
                self._read.data.append(chunk)
        head, size = place.head, place.head_size
        if size < HEAD and at > size:
            size = min(HEAD, at)
            head = digest(os.pread(handle, size, 0))
        self._read.place = replace(
            place, offset=at, head=head, head_size=size, size=seen.st_size, changed=seen.st_mtime_ns
        )
        return spent

    def _unpacked(self, one: Segment, handle: int, budget: int) -> int:
        place, spent = self._place, 0
        unzip = self._unzip
        if unzip is None or unzip.inode != inode(one.stat) or unzip.out > place.offset:
            unzip = self._unzip = Unzip(inode(one.stat))
        try:
            while spent < budget:
                part = unzip.read(handle, min(CHUNK, budget - spent))
                spent += len(part)
                if not part:
                    place = replace(place, size=place.offset)
                    break
                new = part[len(part) - max(0, min(len(part), unzip.out - place.offset)) :]
                if new:
                    self._read.data.append(new)
                    place = replace(place, offset=unzip.out)
        except (zlib.error, EOFError) as error:
            self._read.said.append(f"{one.name} is damaged: {error}")
            place = replace(place, size=place.offset)
        self._read.place = place
        return spent

    def _is_over(self, one: Segment) -> bool:
        """Whether the file was read to its end."""
        place = self._place
        return place.name == one.name and place.size == place.offset and place.size >= 0

    def _left(self, at: int) -> int:
        here = self._segments[at]
        unread = 0 if here.packed else max(0, here.stat.st_size - self._place.offset)
        return unread + sum(s.stat.st_size for s in self._segments[at + 1 :])

    @property
    def _place(self) -> Place:
        assert self._read.place is not None
        return self._read.place


def _start(one: Segment, after: str) -> Place:
    """The start of a file of which nothing was read; its size is not known before it is read."""
    return Place(one.name, inode(one.stat), size=-1, after=after)


def _holds(one: Segment, place: Place) -> bool:
    """Whether the file is as long as what was read of it; of a packed one that is not known."""
    return one.packed or one.stat.st_size >= place.offset


def _after_hole(handle: int, at: int, size: int) -> int:
    """Where the next data are after `at`: a file that was cut while open begins with a hole."""
    with suppress(OSError):
        return min(size, os.lseek(handle, at, os.SEEK_DATA))
    return size
