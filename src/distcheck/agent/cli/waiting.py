"""`--wait`: judge again until time can change nothing any more."""

import time
from collections.abc import Callable

from distcheck.agent.cli.ending import Signalled
from distcheck.agent.cli.progress import Progress
from distcheck.checks.awaited import Held, awaited
from distcheck.checks.judging import Judged

PAUSE = 5.0
"""Seconds between two gatherings."""


class Cut(Signalled):
    """A signal ended the wait; `judged` is the last verdict before, and `awaits` what was due."""

    def __init__(self, number: int, judged: Judged, awaits: str) -> None:
        super().__init__(number)
        self.judged, self.awaits = judged, awaits


def until_settled(
    look: Callable[[], Judged],
    patience: float | None,
    progress: Progress,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    hopeless: Callable[[], bool] = lambda: False,
) -> tuple[Judged, str]:
    """The last verdict, and what it still waited for when `patience` ran out; empty where settled.

    `patience` is in seconds; None is one look. `hopeless` says that looking again shows nothing.

    Raises:
        Cut: a signal asked to end after the first look.
    """
    start, held = clock(), Held()
    judged = look()
    if patience is None:
        return judged, ""
    awaits = awaited(judged.report, held, clock())
    try:
        while awaits and not hopeless():
            left = start + patience - clock()
            if left <= 0:
                break
            progress(f"waiting, {left:.0f} s left: {awaits}")
            sleep(min(PAUSE, left))
            judged = look()
            awaits = awaited(judged.report, held, clock())
    except Signalled as signalled:
        raise Cut(signalled.number, judged, awaits) from signalled
    return judged, "" if hopeless() else awaits
