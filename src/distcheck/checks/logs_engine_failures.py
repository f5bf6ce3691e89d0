"""Failures of the engine with what they mean, and the first cause behind them."""

import re
from collections.abc import Sequence

from distcheck.checks.evidence.vllm import EngineFailure, VllmLog
from distcheck.checks.knowledge.engine_remedies import (
    FOLLOWS,
    GENERIC,
    UNSEEN,
    engine_cause,
)
from distcheck.checks.logs_engine_failure import EngineCause, LoggedEngineFailure, line_of
from distcheck.checks.logs_engine_waiting import waiting

_AFTER = 500
"""Lines: a traceback follows the words that open it; deep ones of compilers have 200 lines."""
_BEFORE = 100
"""Lines between an exception and words that close its report; requests have exceptions too."""
_NO_CAUSE = re.compile(r"stack trace above|See root cause|: cancelled\b|died with exit code")
"""Exceptions that only pass on that something else failed."""
_CLOSING = re.compile(r"above|fatal signal|EngineDeadError|original error|died")


def engine_failures(log: VllmLog) -> tuple[LoggedEngineFailure, ...]:
    """Every failure of the engine, in the order of its lines, then who waits for other ranks."""
    seen = any(_says_why(f) for f in log.failures)
    told: list[LoggedEngineFailure] = []
    for one in log.failures:
        cause = _cause(one, log.failures) or _inherited(one, told)
        told.append(_told(one, cause, unseen=not seen))
    return tuple(told) if any(f.fatal for f in told) else (*told, *waiting(log))


_LATER = frozenset({"worker_died", "worker_init", "engine_init", "engine_dead"})
"""What the engine says once a failure has come to its main processes."""


def _inherited(one: EngineFailure, told: Sequence[LoggedEngineFailure]) -> EngineCause | None:
    """The cause of the words before: a repeated exception is kept by its first line only."""
    passed_on = one.id == "exception" and not _says_why(one)
    if not passed_on and one.id not in _LATER:
        return None
    same = (f for f in reversed(told) if _file(f.source) == _file(one.source))
    return next((f.cause for f in same if f.cause is not None), None)


def engine_root(failures: Sequence[LoggedEngineFailure]) -> EngineCause | None:
    """The first cause: of a fatal failure whose cause is seen, else of the first fatal one."""
    fatal = [f for f in failures if f.fatal]
    if not fatal:
        return None
    first = min(fatal, key=_depth)
    return first.cause or EngineCause(
        first.id, first.says, first.line, first.source, first.means, first.remedy
    )


def _depth(one: LoggedEngineFailure) -> int:
    """How far from the root: 0 a cause is known, 1 it followed another's, 2 nothing says why."""
    if one.cause is not None:
        return int(one.cause.id in FOLLOWS)
    return 2 if one.id in GENERIC else int(one.id in FOLLOWS)


def _told(one: EngineFailure, cause: EngineCause | None, *, unseen: bool) -> LoggedEngineFailure:
    known = engine_cause(one.id, one.says)
    unsaid = unseen and one.id in GENERIC
    return LoggedEngineFailure(
        one.id,
        one.fatal,
        one.says,
        line_of(one.source),
        one.source,
        means=f"{known.means}; {UNSEEN}" if unsaid else known.means,
        remedy=known.remedy,
        cause=cause,
    )


def _as_cause(one: EngineFailure) -> EngineCause:
    known = engine_cause(one.id, one.says)
    return EngineCause(one.id, one.says, line_of(one.source), one.source, known.means, known.remedy)


def _cause(one: EngineFailure, every: Sequence[EngineFailure]) -> EngineCause | None:
    """The exception behind words that do not say why: the nearest before, or the next after.

    Words that close a report (`See root cause above`) have it before them, others after.
    """
    if one.id not in GENERIC:
        return None
    places = [(d, f) for f in every if _says_why(f) and (d := _distance(one, f)) is not None]
    before = max(((d, f) for d, f in places if -_reach(f) <= d < 0), key=_place, default=None)
    after = min(((d, f) for d, f in places if 0 < d <= _AFTER), key=_place, default=None)
    chosen = before or after if _closes(one) else after or before
    return None if chosen is None else _as_cause(chosen[1])


def _reach(one: EngineFailure) -> int:
    """Lines after which it is still the cause: the engine's own words are no request's."""
    return _BEFORE if one.id == "exception" else _AFTER


def _place(found: tuple[int, EngineFailure]) -> int:
    return found[0]


def _closes(one: EngineFailure) -> bool:
    """The exception stands before these words, not after them."""
    opened = one.id in ("ray_actor_died", "dp_coordinator_died", "bind_failed")
    return not opened and _CLOSING.search(one.says) is not None


def _says_why(one: EngineFailure) -> bool:
    if one.id == "exception":
        return _NO_CAUSE.search(one.says) is None
    return one.fatal and one.id not in GENERIC


def _distance(one: EngineFailure, other: EngineFailure) -> int | None:
    """Lines from `one` to `other` in one file; None across files."""
    here, there = line_of(one.source), line_of(other.source)
    same = _file(one.source) == _file(other.source)
    return there - here if same and here is not None and there is not None else None


def _file(source: str) -> str:
    return source.rpartition(":")[0]
