"""The engine's part of `distcheck.logs/v1`: the type, and the fold from what was read."""

from typing import TypeVar

from msgspec import Struct

from distcheck.checks.evidence.vllm import VllmLog

_N = TypeVar("_N", int, float)


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

    `weights_gib_by_rank` maps ranks to GiB; where no line says which rank it is, it is the
    one value that all lines give, or the list of distinct values. `kv_cache_tokens` is a
    list where the workers' values differ.
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
    kv = log.kv_cache
    return VllmPart(
        version=log.version,
        engine=log.engine,
        model=log.model,
        tp=log.tp,
        pp=log.pp,
        dp=log.dp,
        ep=log.ep,
        world_size=log.world_size,
        executor=log.executor,
        weights_gib_by_rank=_weights(log),
        kv_cache_tokens=_one_or_all(kv.tokens if kv else ()),
        gpu_blocks=kv.gpu_blocks if kv else None,
        block_size=kv.block_size if kv else None,
        started=log.started,
        failures=tuple(
            LoggedFailure(f.id, f.fatal, f.says, _line_of(f.source), f.source) for f in log.failures
        ),
    )


def _weights(log: VllmLog) -> dict[str, float] | float | list[float] | None:
    ranked = {str(w.rank): w.gib for w in log.weights if w.rank is not None and not w.repeated}
    return ranked or _counted(log) or _one_or_all(tuple(w.gib for w in log.weights))


def _counted(log: VllmLog) -> dict[str, float] | None:
    """Every rank, where equal values of as many processes as there are ranks say so."""
    values = [w.gib for w in log.weights for _ in range(1 + w.repeated)]
    if log.tp is None or len(values) != log.tp * (log.pp or 1) or len(set(values)) > 1:
        return None
    return {str(rank): gib for rank, gib in enumerate(values)}


def _one_or_all(values: tuple[_N, ...]) -> _N | list[_N] | None:
    distinct = list(dict.fromkeys(values))
    return distinct if len(distinct) > 1 else next(iter(distinct), None)


def _line_of(source: str) -> int | None:
    number = source.rpartition(":")[2]
    return int(number) if number.isdigit() else None
