"""Values of GCS's messages as evidence may hold them: finite, printable, bounded."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from msgspec import Struct

MAX_ROWS = 20_000
"""Of one table that are looked at, of whatever a GCS may send."""
_MAX_THERE, _MAX_GONE = 4096, 256
_LONGEST, _TEXT, _ID = 300, 1 << 16, 64
MOST_GPUS = 100_000
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: what comes later is no time."""


class Kept(Struct, frozen=True):
    """Rows that are kept, and how many more there were."""

    rows: tuple[Any, ...]
    lost: int = 0


def kept(rows: Sequence[Any], is_gone: Callable[[Any], bool], end: Callable[[Any], int]) -> Kept:
    """All that are there now, and the newest of those that are gone, in their order.

    GCS keeps a thousand DEAD nodes, and each actor of every job of a long-lived head.
    """
    seen = list(islice(rows, MAX_ROWS))
    gone = {i for i, row in enumerate(seen) if is_gone(row)}
    there = [i for i in range(len(seen)) if i not in gone][:_MAX_THERE]
    newest = sorted(gone, key=lambda i: (-end(seen[i]), -i))[:_MAX_GONE]
    told = tuple(seen[i] for i in sorted((*there, *newest)))
    return Kept(told, len(rows) - len(told))


def gpus(resources: Mapping[str, float]) -> float:
    """Only the exact key counts; a number that no node can have is none."""
    told = resources.get("GPU", 0.0)
    return told if 0 <= told <= MOST_GPUS else 0.0


def port(told: int) -> int:
    """A port; 0 for none, and for a number that is none."""
    return told if 0 < told < 1 << 16 else 0


def time_ms(told: int) -> int:
    """Unix milliseconds; 0 for what is no time."""
    return told if told <= _LAST_MS else 0


def hex_id(told: bytes) -> str:
    """An id as evidence has it."""
    return told[:_ID].hex()


def short(text: str) -> str:
    """A name as it may stand in a line."""
    return "".join(c for c in text[:_LONGEST] if c.isprintable())


def line_of(text: str, which: int) -> str:
    """The first (0) or last (-1) line with words: an exception's text may hold anything."""
    part = text[:_TEXT] if which == 0 else text[-_TEXT:]
    lines = [line.strip() for line in part.splitlines() if line.strip()]
    return "".join(c for c in lines[which] if c.isprintable())[:_LONGEST] if lines else ""
