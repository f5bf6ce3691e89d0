"""One GPU's memory as a bar: weights, KV cache, the rest, free."""

from collections.abc import Sequence

from distcheck.checks.knowledge.plan import PlannedGpu
from distcheck.exporters.typography import Ink, columns

GIB = 1 << 30
_WIDEST = 60
_PARTS = (
    ("weights", ("█", "#"), "bold"),
    ("open", ("?", "?"), "yellow"),
    ("KV cache", ("▓", "="), "green"),
    ("rest", ("▒", "-"), "yellow"),
    ("free", ("·", "."), "dim"),
)


def gib(size: int) -> str:
    """`131.4 GiB`."""
    return f"{size / GIB:.1f} GiB"


def kinds_of(memory: Sequence[PlannedGpu]) -> list[tuple[PlannedGpu, ...]]:
    """GPUs whose bars read the same, together."""
    alike: dict[tuple[str, ...], tuple[PlannedGpu, ...]] = {}
    for gpu in memory:
        alike[_sizes(gpu)] = (*alike.get(_sizes(gpu), ()), gpu)
    return list(alike.values())


def shares(gpu: PlannedGpu) -> tuple[int, ...]:
    """Bytes of weights, of what may be weights too, KV cache, rest and free.

    They add up to the GPU: what is more than it has is as much as there is.
    """
    left, found = gpu.total, []
    wanted = (gpu.weights_low, gpu.weights_high - gpu.weights_low, gpu.kv_likely or 0)
    for size in (*wanted, gpu.rest_likely):
        found.append(min(size, left))
        left -= found[-1]
    return (*found, left)


def bar(gpu: PlannedGpu, room: int, ink: Ink) -> str:
    """At most `room` columns; a part that is there has one at least."""
    sizes = shares(gpu)
    wide = max(8, min(_WIDEST, room - 12))
    cells = _cells(sizes, wide)
    painted = (
        ink.paint(glyphs[not ink.unicode] * count, style)
        for (_, glyphs, style), count in zip(_PARTS, cells, strict=True)
    )
    return "".join(painted) + f" {gib(gpu.total)}"


def _cells(sizes: Sequence[int], wide: int) -> list[int]:
    total = sum(sizes) or 1
    cells = [max(int(size > 0), round(size * wide / total)) for size in sizes]
    largest = cells.index(max(cells))
    cells[largest] += wide - sum(cells)
    return cells


def legend(gpu: PlannedGpu, room: int, ink: Ink) -> list[str]:
    """What each part of the bar is, with its size; on as many lines as it takes."""
    lines, used = [""], 0
    for (_, glyphs, style), says in zip(_PARTS, _sizes(gpu), strict=True):
        if not says:
            continue
        wide = columns(says) + 2
        if used and used + 3 + wide > room:
            lines, used = [*lines, ""], 0
        gap = "   " if used else ""
        lines[-1] += f"{gap}{ink.paint(glyphs[not ink.unicode], style)} {says}"
        used += len(gap) + wide
    return lines


def _sizes(gpu: PlannedGpu) -> tuple[str, ...]:
    """Each part in GiB, as `_PARTS`; empty where there is none."""
    _, between, cache, rest, free = (f"{size / GIB:.1f}" for size in shares(gpu))
    low, high = f"{gpu.weights_low / GIB:.1f}", f"{gpu.weights_high / GIB:.1f}"
    over = " (more than there is)" if gpu.weights_low > gpu.total else ""
    maybe = f"perhaps weights, up to {high}" if between != "0.0" else ""
    known = cache if gpu.kv_likely is not None else "not known"
    return f"weights {low}{over}", maybe, f"KV cache {known}", f"rest {rest}", f"free {free}"
