"""What the ranks of a layout hold: exact bytes, bounds, or why vLLM would not start."""

from msgspec import Struct, structs

from distcheck.checks.knowledge.plan import Ask, PlannedRank
from distcheck.checks.knowledge.plan_refused import refused
from distcheck.checks.knowledge.weights import (
    Estimate,
    Exact,
    Layout,
    Place,
    Refusal,
    Weights,
    rank_weights,
)
from distcheck.checks.knowledge.weights.layout import KERNELS, Kernel


class Held(Struct, frozen=True):
    """What the ranks of a layout hold: each one's bounds, or why there are none."""

    bounds: tuple[tuple[Place, int, int], ...]
    exact: bool
    says: str
    refused: str | None = None
    instead: str = ""
    """What to change in the flags, where it is they that are refused."""


def held_by(ask: Ask, layout: Layout) -> Held:
    """Bounds for every rank; equal ones where they are exact."""
    if said := refused(ask):
        return Held((), False, "", said.reason, said.instead)
    if ask.gpus is not None and layout.world > ask.gpus:
        return Held((), False, "", _too_few(layout.world, ask.gpus))
    found = rank_weights(ask.config, layout, ask.engine, ask.checkpoint)
    if isinstance(found, Exact):
        bounds = tuple((r.place, r.weights_bytes, r.weights_bytes) for r in found.ranks)
        return Held(bounds, True, found.scheme)
    if isinstance(found, Estimate):
        return Held(_bounds(ask, layout, found), False, found.reason)
    words = found.reason if isinstance(found, Refusal) else None
    return Held((), False, found.reason, words)


def _too_few(world: int, gpus: int) -> str:
    return (
        "The number of required GPUs exceeds the total number of available GPUs in the placement"
        f" group. Required number of devices: {world}. Total number of devices: {gpus}."
    )


def _bounds(ask: Ask, layout: Layout, found: Estimate) -> tuple[tuple[Place, int, int], ...]:
    """Each rank's own, where only the kernel is open; else the same for all."""
    each = [_with_kernel(ask, layout, kernel) for kernel in KERNELS]
    known = [one.ranks for one in each if isinstance(one, Exact)]
    if len(known) == len(KERNELS):
        pairs = (tuple(r.weights_bytes for r in ranks) for ranks in zip(*known, strict=True))
        return tuple((p, min(b), max(b)) for p, b in zip(layout.places(), pairs, strict=True))
    return tuple((place, found.low, found.high) for place in layout.places())


def _with_kernel(ask: Ask, layout: Layout, kernel: Kernel) -> Weights:
    engine = structs.replace(ask.engine, mxfp4_kernel=kernel)
    return rank_weights(ask.config, layout, engine, ask.checkpoint)


def planned_ranks(layout: Layout, held: Held) -> tuple[PlannedRank, ...]:
    """Every rank with its bounds; none of a layout that is refused."""
    known = {place.rank: (low, high) for place, low, high in held.bounds}
    if held.refused:
        return ()
    return tuple(_rank(p, known.get(p.rank), exact=held.exact) for p in layout.places())


def _rank(place: Place, bounds: tuple[int, int] | None, *, exact: bool) -> PlannedRank:
    low, high = bounds or (None, None)
    return PlannedRank(
        rank=place.rank,
        tp_rank=place.tp_rank,
        pp_rank=place.pp_rank,
        dp_rank=place.dp_rank,
        weights_bytes=low if exact else None,
        weights_bytes_low=low,
        weights_bytes_high=high,
    )
