"""Ranks in few words: ranges of those that are there, and of those that are not."""

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]
"""First and last rank of each run."""


def ranges(ranks: Iterable[int]) -> Ranges:
    """First and last of each run of consecutive numbers, in order."""
    found: list[tuple[int, int]] = []
    for rank in sorted(set(ranks)):
        if found and rank == found[-1][1] + 1:
            found[-1] = (found[-1][0], rank)
        else:
            found.append((rank, rank))
    return tuple(found)


def gaps(ranks: Iterable[int], size: int) -> Ranges:
    """The ranges of 0 to `size` - 1 that `ranks` leaves out."""
    held = sorted({r for r in ranks if r < size})
    between = zip((-1, *held), (*held, size), strict=True)
    return tuple((low + 1, high - 1) for low, high in between if high - low > 1)


def rank_words(found: Ranges) -> str:
    """`rank 3`, or `ranks 0 to 7, 9`."""
    single = len(found) == 1 and found[0][0] == found[0][1]
    return f"{'rank' if single else 'ranks'} {spans(found)}"


def spans(found: Ranges, most: int = 6) -> str:
    """`0 to 7, 9`: the first `most` ranges in words."""
    shown = [f"{a}" if a == b else f"{a} to {b}" for a, b in found[:most]]
    return ", ".join(shown) + (" and more" if len(found) > most else "")
