"""Sets of ports as ranges, first and last included."""

from collections.abc import Iterable, Iterator

Range = tuple[int, int]
ALL: Range = (1, 65535)


def lacking(wanted: Range, allowed: Iterable[Range]) -> tuple[Range, ...]:
    """The parts of `wanted` that no range of `allowed` covers, in order."""
    return tuple(_lacking(wanted, allowed))


def _lacking(wanted: Range, allowed: Iterable[Range]) -> Iterator[Range]:
    first, last = wanted
    for start, end in sorted(allowed):
        if start > last:
            break
        if start > first:
            yield first, start - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last


def shown(ranges: Iterable[Range]) -> str:
    """`6379, 32768-60999`."""
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
