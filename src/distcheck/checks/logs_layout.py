"""TP, PP and DP where the engine's configuration is not in the log: from its workers' words."""

from msgspec import Struct

from distcheck.checks.evidence.vllm import RankLine, VllmLog

_AXES = ("DP", "PP", "TP")


class Layout(Struct, frozen=True):
    """Degrees of parallelism; None for each that the log does not show."""

    tp: int | None
    pp: int | None
    dp: int | None


def layout(log: VllmLog) -> Layout:
    """What the configuration line says; for the rest what ranks and workers' labels prove.

    A worker's label (vLLM 0.10 and newer) has an index in each dimension larger than 1, and
    an index is smaller than its dimension.
    """
    placed = _placed(log)
    tp, pp, dp = log.tp, log.pp, log.dp
    if tp is None and log.world_size is not None:
        tp = _degree(log, "TP", log.world_size)
    if placed is not None:
        pp = 1 if pp is None and not _has(placed.label, "PP") else pp
        dp = 1 if dp is None and not _has(placed.label, "DP") else dp
    return Layout(tp, pp, dp if dp is not None else _data_parallel(log, tp, pp))


def rank_of_label(label: str) -> dict[str, int]:
    """The indices that a worker's label names: `Worker_PP0_TP3` is PP 0, TP 3."""
    parts = [(p[:2], p[2:]) for p in label.split("_") if p[:2] in _AXES]
    return {axis: int(n) for axis, n in parts if n.isascii() and n.isdigit() and len(n) < 7}


def _has(label: str, axis: str) -> bool:
    return axis in rank_of_label(label)


def _placed(log: VllmLog) -> RankLine | None:
    """A process that says both which rank of which world it is and what its label leaves out."""
    return next((r for r in log.ranks if r.tp is not None and _has(r.label, "TP")), None)


def _degree(log: VllmLog, axis: str, world: int) -> int | None:
    """The one degree that divides the world and is larger than every index, if it is one."""
    seen = [i for w in log.workers if (i := rank_of_label(w.label).get(axis)) is not None]
    if not seen or world > _LARGEST:
        return None
    fitting = [d for d in range(max(seen) + 1, world + 1) if world % d == 0]
    return fitting[0] if len(fitting) == 1 else None


_LARGEST = 1 << 14
"""Ranks of a world: more than any that serves a model."""


def _data_parallel(log: VllmLog, tp: int | None, pp: int | None) -> int | None:
    """Engines of one world: in a MoE model the world spans them all, and ranks say which."""
    last = max((r.dp for r in log.ranks if r.dp is not None), default=0)
    world, copy = log.world_size, (tp or 0) * (pp or 0)
    if not last or not copy or world is None or world % copy or world // copy <= last:
        return None
    return world // copy
