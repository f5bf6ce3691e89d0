"""`--wait`: judge again until time can change nothing any more."""

import time
from collections.abc import Callable

from distcheck.agent.cli.progress import Progress
from distcheck.checks.report import Judged, Report

PAUSE = 5.0
"""Seconds between two gatherings."""

MENDED_BY_TIME = frozenset(
    {
        *("gcs_unreachable", "name_unresolved", "node_gpu_short", "node_missing", "pg_pending"),
        "rendezvous_waits",
    }
)
"""Causes of a failure that a group which is still starting gets over by itself."""


def settled(report: Report) -> bool:
    """Passed, or failed for a reason that stays: waiting longer cannot change the verdict."""
    if report.verdict != "fail":
        return report.verdict != "unknown"
    return any(f.outcome == "fail" and f.cause not in MENDED_BY_TIME for f in report.checks)


def until_settled(
    look: Callable[[], Judged],
    patience: float | None,
    progress: Progress,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Judged, bool]:
    """The last verdict, and whether `patience` (seconds; None is one look) ran out before it."""
    start = clock()
    judged = look()
    while patience is not None and not settled(judged.report):
        left = start + patience - clock()
        if left <= 0:
            return judged, True
        progress(f"{judged.report.verdict}: {judged.report.summary}; {left:.0f} s left")
        sleep(min(PAUSE, left))
        judged = look()
    return judged, False
