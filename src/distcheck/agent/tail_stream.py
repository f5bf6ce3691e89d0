"""One log that is followed: what was read of it, distilled, and where reading stands."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from distcheck.agent.logs.distil import CHUNK, Distilled, Distiller, DistillerState
from distcheck.agent.state import KeptLog
from distcheck.agent.tail_place import Place, Unzip
from distcheck.agent.tail_read import Read
from distcheck.agent.written import dated_at

_FRESH_AFTER = 8 << 20
"""Bytes after which a distiller is made anew: what it knows by heart grows with what it reads."""
_MAX_GAPS = 8
_STATE = msgspec.msgpack.Decoder(DistillerState)


class Stream:
    """What is known of one log. Memory does not grow with it."""

    def __init__(self, source: str, key: str, *, inside: bool) -> None:
        self.source, self.key, self._inside = source, key, inside
        self.place: Place | None = None
        self.unzip: Unzip | None = None
        self.gaps: tuple[str, ...] = ()
        self.left, self.read_at, self.changed = 0, 0.0, False
        self._distiller: Distiller | None = None
        self._saved: bytes | None = None
        self._since = 0
        self._shown: Distilled | None = None

    def restore(self, kept: KeptLog) -> None:
        """Go on where an earlier agent left off.

        Raises:
            DecodeError: its distiller cannot be made again.
        """
        self._distiller = Distiller.restored(self.source, kept.saved)
        self.place, self.gaps = kept.place, kept.gaps

    def kept(self) -> KeptLog | None:
        """What another agent would need to go on; None where nothing was read."""
        if self.place is None:
            return None
        self.rest()
        return KeptLog(self.key, self.place, self.gaps, self._saved or b"")

    def take(self, read: Read, now: float) -> None:
        """Distil what one look at the log's files gave."""
        if read.anew and self._inside:
            self._begin_anew()
        else:
            self.say(f"{self.source}: {said}" for said in read.said)
        for chunk in read.data:
            self._feed(chunk, now)
        self.changed |= bool(read.data) or read.place != self.place
        self.place, self.unzip, self.left = read.place, read.unzip, read.left

    def say(self, gaps: Iterable[str]) -> None:
        """Note what is lost of the log; a few gaps are kept."""
        self.gaps = tuple(dict.fromkeys((*self.gaps, *gaps)))[:_MAX_GAPS]

    def shown(self) -> Distilled:
        """What was read so far; a line whose end has not come is left out."""
        if self._shown is None:
            state = replace(_STATE.decode(self._packed()), rest=b"", parts={})
            self._shown = Distiller(self.source, state).finish()
        written = 0 if self.place is None else self.place.changed
        return dated_at(self._shown, written / 1e9)

    def rest(self) -> None:
        """Hold only what is needed to go on."""
        if self._distiller is not None:
            self._saved, self._distiller = self._distiller.saved(), None
        self._shown = None

    @property
    def awake(self) -> bool:
        """Whether more than that is held."""
        return self._distiller is not None or self._shown is not None

    def _feed(self, chunk: bytes, now: float) -> None:
        distiller = self._awake()
        for at in range(0, len(chunk), CHUNK):
            distiller.feed(chunk[at : at + CHUNK])
        self._since += len(chunk)
        if self._since > _FRESH_AFTER:
            self.rest()
        self._shown, self.read_at = None, now

    def _awake(self) -> Distiller:
        if self._distiller is None:
            fresh = self._saved is None
            self._distiller = (
                Distiller(self.source)
                if fresh
                else Distiller.restored(self.source, self._saved or b"")
            )
            self._saved, self._since = None, 0
        return self._distiller

    def _packed(self) -> bytes:
        if self._distiller is not None:
            return self._distiller.saved()
        return Distiller(self.source).saved() if self._saved is None else self._saved

    def _begin_anew(self) -> None:
        """Another process writes the file now: what the earlier one wrote is gone."""
        self._distiller = self._saved = self._shown = None
        self.gaps = ()
