"""How much of an answer is taken, counted in its bytes before a message is made of them.

An empty message is two bytes of an answer and a hundred of memory, so its size alone bounds
nothing. Wire format: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator

from msgspec import Struct

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_ROWS = 2
"""The field of every reply of a GCS that has its rows."""
_REPEATED = frozenset((3, 15))
"""Fields of rows whose messages are many, or have many: bundles, and an actor's resources."""


class Bounds(Struct, frozen=True):
    """Of one answer: bytes, rows, and fields of all rows together."""

    largest: int
    rows: int
    fields: int


OF_AGENT = Bounds(4 << 20, 20_000, 400_000)
"""The agent has 256 MiB for all that it does (deploy/daemonset.yaml)."""
OF_USER = Bounds(64 << 20, 1 << 62, 1 << 62)
"""Somebody's own command, which looks at a cluster that they trust."""


def too_much(reply: bytes, bounds: Bounds) -> str | None:
    """Why no message is made of `reply`, if so; it is not read further than that takes."""
    if bounds.rows >= len(reply):
        return None
    fields = 0
    for rows, (number, start, end) in enumerate(_fields(reply, 0, len(reply)), 1):
        for inner, inner_start, inner_end in _fields(reply, start, end):
            fields += 1
            if number == _ROWS and inner in _REPEATED:
                fields += _count(reply, inner_start, inner_end, bounds.fields - fields)
            if fields > bounds.fields:
                return f"its rows have more than {bounds.fields} fields"
        if rows > bounds.rows:
            return f"it has more than {bounds.rows} rows"
    return None


def _count(data: bytes, start: int, end: int, most: int) -> int:
    found = 0
    for _ in _fields(data, start, end):
        found += 1
        if found > most:
            break
    return found


def _fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field's content; ends where it is none, which none can read.

    The begin and the end of a group count as a field each, and what is in it too.
    """
    at = start
    while at < end:
        tag, at = _varint(data, at, end)
        kind, size = tag & 7, 0
        if kind == _VARINT:
            _, at = _varint(data, at, end)
        elif kind == _BYTES:
            size, at = _varint(data, at, end)
        elif kind in (_EIGHT, _FOUR):
            at += 8 if kind == _EIGHT else 4
        if at + size > end or kind > _FOUR:
            return
        yield tag >> 3, at, at + size
        at += size


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at `at` and where it ends; past `end` where it is cut."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, end + 1
