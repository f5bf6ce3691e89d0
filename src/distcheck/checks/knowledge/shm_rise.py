"""Whether a level rises and goes on to, or has only risen once as it does at every start."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

PARTS: Final = 3
SPAN: Final = 1800
"""Seconds that the levels must cover at least."""
_SHARE, _LEAST = 100, 16 << 20


class Rise(Struct, frozen=True):
    """`bytes` in `seconds`, and the seconds until it is full at that pace."""

    bytes: int
    seconds: int
    left: int


def rise(levels: Sequence[tuple[int, int]], size: int) -> Rise | None:
    """The rise of `(second, bytes)`, the oldest first, in a tmpfs of `size` bytes.

    None unless it rose in each third of at least half an hour, by a hundredth of the size
    and 16 MiB: a start fills it once, and then it stays.
    """
    if len(levels) <= PARTS or levels[-1][0] - levels[0][0] < SPAN:
        return None
    (start, first), (end, last) = levels[0], levels[-1]
    marks = [_at(levels, start + (end - start) * n // PARTS) for n in range(PARTS + 1)]
    steps = [later - before for before, later in pairwise(marks)]
    if min(steps) < max(size // _SHARE, _LEAST):
        return None
    grown, took = last - first, end - start
    return Rise(grown, took, max(0, size - last) * took // grown)


def _at(levels: Sequence[tuple[int, int]], second: int) -> int:
    """The last level seen until then."""
    return next(used for at, used in reversed(levels) if at <= second)
