"""Ranks that wait for others at the rendezvous: the last line of many a start that hangs."""

from collections.abc import Sequence

from distcheck.checks.evidence.vllm import RankLine, VllmLog
from distcheck.checks.knowledge.engine_remedies import engine_cause
from distcheck.checks.knowledge.rank_ranges import gaps, spans
from distcheck.checks.logs_engine_failure import LoggedEngineFailure, line_of

_MOST_RANKS = 1 << 14


def waiting(log: VllmLog) -> tuple[LoggedEngineFailure, ...]:
    """Ranks that went to the rendezvous and got no place, where others have no line at all."""
    if log.started or any(r.tp is not None or r.repeated for r in log.ranks):
        return ()
    worlds: dict[tuple[str, int], list[RankLine]] = {}
    for one in log.ranks:
        if one.init_method is not None and 1 < one.world_size <= _MOST_RANKS:
            worlds.setdefault((one.init_method, one.world_size), []).append(one)
    found = (_waits(address, size, seen) for (address, size), seen in worlds.items())
    return tuple(w for w in found if w is not None)


def _waits(address: str, size: int, seen: Sequence[RankLine]) -> LoggedEngineFailure | None:
    absent = gaps((r.rank for r in seen), size)
    if not absent:
        return None
    one = min(seen, key=lambda r: r.rank)
    says = f"distributed_init_method={address}"
    who = f"rank {one.rank} of {size} waits" if len(seen) == 1 else f"{len(seen)} of {size} wait"
    single = len(absent) == 1 and absent[0][0] == absent[0][1]
    means = f"{who} at {address}; no line of rank{'' if single else 's'} {spans(absent)}"
    remedy = engine_cause("waiting_for_ranks", "").remedy
    return LoggedEngineFailure(
        "waiting_for_ranks",
        fatal=False,
        says=says,
        line=line_of(one.source),
        source=one.source,
        means=means,
        remedy=remedy,
    )
