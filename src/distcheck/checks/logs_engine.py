"""The engine's part of `distcheck.logs/v1`: the type, and the fold from what was read."""

from typing import TypeVar

from msgspec import Struct

from distcheck.checks.evidence.vllm import KvCache, VllmLog, WeightsLine
from distcheck.checks.logs_layout import Layout, layout, rank_of_label

_N = TypeVar("_N", int, float)
_MOST_RANKS = 1 << 14


class LoggedFailure(Struct, frozen=True):
    """A failure: `line` counts from 1 in its file, `source` is `file:line`."""

    id: str
    fatal: bool
    says: str
    line: int | None
    source: str
    count: int = 1


class VllmPart(Struct, frozen=True):
    """The engine's side of the log. None: the log does not show it.

    `weights_gib_by_rank` maps ranks to GiB; where the lines do not name their ranks and all
    give one value it is that value, or else the list of distinct values. `kv_cache_tokens`
    is a list where the workers' values differ, those that fewest workers give first. `ep` and
    `block_size` are what the engine says that it made of its arguments, not the arguments.
    """

    version: str | None
    engine: str | None
    model: str | None
    tp: int | None
    pp: int | None
    dp: int | None
    ep: bool | None
    world_size: int | None
    executor: str | None
    weights_gib_by_rank: dict[str, float] | float | list[float] | None
    kv_cache_tokens: int | list[int] | None
    gpu_blocks: int | None
    block_size: int | None
    started: bool | None
    failures: tuple[LoggedFailure, ...]


def vllm_part(log: VllmLog) -> VllmPart:
    """What one engine log shows."""
    kv, shape = log.kv_cache, layout(log)
    return VllmPart(
        version=log.version,
        engine=log.engine,
        model=log.model,
        tp=shape.tp,
        pp=shape.pp,
        dp=shape.dp,
        ep=_expert_parallel(log),
        world_size=log.world_size,
        executor=log.executor,
        weights_gib_by_rank=_weights(log, shape),
        kv_cache_tokens=_one_or_all(_tokens(kv) if kv else ()),
        gpu_blocks=kv.gpu_blocks if kv else None,
        block_size=kv.block_size if kv else None,
        started=log.started,
        failures=tuple(
            LoggedFailure(f.id, f.fatal, f.says, _line_of(f.source), f.source) for f in log.failures
        ),
    )


def _expert_parallel(log: VllmLog) -> bool | None:
    """True where the engine says so: it split the experts, or it was told to and ranks say EP."""
    named = bool(log.ep) and any(r.ep is not None for r in log.ranks)
    return True if named or (log.expert_ranks or 0) > 1 else None


def _weights(log: VllmLog, shape: Layout) -> dict[str, float] | float | list[float] | None:
    values = tuple(w.gib for w in log.weights)
    alike = len(set(values)) == 1
    named = _by_rank(log.weights, shape)
    if named is not None and (not alike or all(_names_rank(w) for w in log.weights)):
        return named
    if len(values) == 1 and not log.weights[0].repeated and _alone(log):
        return {"0": values[0]}
    return (None if log.ranks else _counted(log)) or _one_or_all(values)


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


def _tokens(kv: KvCache) -> tuple[int, ...]:
    counts = dict(zip(kv.tokens, kv.token_lines, strict=False))
    return tuple(sorted(kv.tokens, key=lambda tokens: (counts.get(tokens, 0), -tokens)))


def _one_or_all(values: tuple[_N, ...]) -> _N | list[_N] | None:
    distinct = list(dict.fromkeys(values))
    return distinct if len(distinct) > 1 else next(iter(distinct), None)


def _line_of(source: str) -> int | None:
    number = source.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
