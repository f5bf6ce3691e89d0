"""GROUP003."""

from collections.abc import Sequence

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Missing
from distcheck.checks.facts.engine_runs import EndedEngine, EngineRuns
from distcheck.checks.facts.nccl_failures import Failures
from distcheck.checks.knowledge.engine_remedies import (
    ENGINE,
    GONE,
    MAY_FOLLOW,
    NOT_AN_END,
    VANISHED,
)
from distcheck.checks.knowledge.names import names
from distcheck.checks.verdict import Verdict, failed, passed, unknown

_OF_NCCL = ("nccl", "collective_timeout")
_BY_NCCL = "Mend what NCCL004 names: the engine ended because of it."
_OF_MEMORY = ("gpu_memory_taken", "out_of_memory", "memory_changed", "no_memory_for_kv")


@check("GROUP003", weight="supporting")
@with_causes(ends={VANISHED: GONE} | {k: v for k, v in ENGINE.items() if k not in NOT_AN_END})
def engine_runs(engine: EngineRuns, nccl: Failures | Missing) -> Verdict:
    """The engine started and has not ended.

    Proves:
        Every server of the group answers over HTTP, or says in its log that it started, and
        nothing speaks against it since: no line of an end or of a new start, no younger server,
        no question over HTTP that was not answered, no pod without an engine. It does not
        prove that a request gets through: an engine whose ranks hang still answers.

    Causes:
        {ends}
        engine_starting: its server was started within the hour, and has not said yet that it
            serves

    Remedy:
        Read the first exception in the named pod's log: what comes after it follows from it.
    """
    now = sorted((e for e in engine.ended if not e.again), key=_may_follow)
    if now:
        known = isinstance(nccl, Failures) and nccl.first is not None
        return _ended(engine, now, nccl_known=known)
    if engine.ended:
        says = f"{_of(engine.ended)} ended before ({_told(engine.ended[0])}) and starts again"
        return unknown(says, [e.cite for e in engine.ended], "engine_starting")
    if engine.doubted and not engine.serving:
        return unknown("; ".join(engine.gaps))
    if not engine.serving:
        says = f"{names(engine.starting)}: the engine has not said that it serves"
        return unknown(says, cause="engine_starting" if engine.young else None)
    says = f"the engine of {names(engine.serving)} serves"
    return passed(says, engine.serving.values(), engine.serving)


def _ended(engine: EngineRuns, ended: Sequence[EndedEngine], *, nccl_known: bool) -> Verdict:
    first = ended[0]
    follows = nccl_known and first.cause.id in _OF_NCCL
    alike = [e for e in ended if e.cause.id == first.cause.id]
    holders = engine.others[:1] if first.cause.id in _OF_MEMORY else ()
    held = "".join(
        f"; a process of {t.whose} (pid {t.pid}) holds {t.gib or 0:.1f} GiB of {t.uuid}"
        for t in holders
    )
    says = f"{_of(alike)} ended: {_told(first)}{held}"
    cites = [*(e.cite for e in ended), *(t.cite for t in holders)]
    remedy = _BY_NCCL if follows else first.cause.remedy
    says += " (NCCL004 has the cause)" if follows else ""
    return failed(says, first.cause.id, cites, [e.pod for e in ended], remedy)


def _may_follow(one: EndedEngine) -> bool:
    return one.cause.id in MAY_FOLLOW


def _of(ended: Sequence[EndedEngine]) -> str:
    return f"the engine of {names(e.pod for e in ended)}"


def _told(one: EndedEngine) -> str:
    return f"{one.cause.means}: {one.cause.says.rstrip('.')}"
