"""What the weights take on each rank, as far as the engine's lines name their ranks."""

from typing import TypeVar

from distcheck.checks.evidence.vllm import VllmLog, WeightsLine
from distcheck.checks.logs_layout import Layout, rank_of_label

_N = TypeVar("_N", int, float)
_MOST_RANKS = 1 << 14


def weights_by_rank(log: VllmLog, shape: Layout) -> dict[str, float] | float | list[float] | None:
    """GiB by rank; where lines do not name their ranks, the one value, or all that differ."""
    values = tuple(w.gib for w in log.weights)
    alike = len(set(values)) == 1
    named = _by_rank(log.weights, shape)
    if named is not None and (not alike or all(_names_rank(w) for w in log.weights)):
        return named
    if len(values) == 1 and not log.weights[0].repeated and _alone(log):
        return {"0": values[0]}
    return (None if log.ranks else _counted(log)) or one_or_all(values)


def _by_rank(lines: tuple[WeightsLine, ...], shape: Layout) -> dict[str, float] | None:
    """Every line by its rank; None where one has none, stands for others, or two share one."""
    ranks = [_rank_of(w, shape.tp) for w in lines if not w.repeated]
    known = [r for r in ranks if r is not None]
    if not known or len(set(known)) < len(lines):
        return None
    return {str(r): w.gib for r, w in sorted(zip(known, lines, strict=True), key=lambda p: p[0])}


def _rank_of(line: WeightsLine, tp: int | None) -> int | None:
    if line.rank is not None or tp is None or line.tp is None or "DP" in line.label:
        return line.rank
    return (line.pp or 0) * tp + line.tp


def _names_rank(line: WeightsLine) -> bool:
    """Whether the line itself says whose it is (`VllmWorker rank=1`, `Worker_TP1`)."""
    return line.label == "VllmWorker" or bool(rank_of_label(line.label))


def _alone(log: VllmLog) -> bool:
    """Whether the one process that speaks is all of its world."""
    return log.world_size == 1 or (log.world_size is None and log.executor == "uni")


def _counted(log: VllmLog) -> dict[str, float] | None:
    """Every rank, where equal values of as many processes as there are ranks say so."""
    values, count = {w.gib for w in log.weights}, sum(1 + w.repeated for w in log.weights)
    if log.tp is None or len(values) != 1 or count != log.tp * (log.pp or 1):
        return None
    return {str(rank): gib for gib in values for rank in range(min(count, _MOST_RANKS))}


def one_or_all(values: tuple[_N, ...]) -> _N | list[_N] | None:
    """The one value that all have, or the distinct ones; None of none."""
    distinct = list(dict.fromkeys(values))
    return distinct if len(distinct) > 1 else next(iter(distinct), None)
