"""Looks at a cluster that may not answer yet, or not any more."""

import time
from collections.abc import Callable

from distcheck.agent.cli.asked import Asked, nothing_seen
from distcheck.agent.cli.exit import UNKNOWN, Stop
from distcheck.checks.evidence import Evidence

_RIGHTS_S = 60.0
"""How long a right that is refused is waited for: it may be granted in the same rollout."""


class Looking:
    """Gathers once a call; what time may mend is evidence of nothing where we are `patient`.

    A cluster that cannot be reached is unknown either way, not an end.
    """

    def __init__(
        self,
        asked: Asked,
        look: Callable[[], Evidence],
        *,
        patient: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked, self._look, self._patient, self._clock = asked, look, patient, clock
        self._refused_at: float | None = None

    def __call__(self) -> Evidence:
        """What is seen now.

        Raises:
            Stop: it cannot be looked for at all: no such target, or one that is ambiguous.
        """
        try:
            evidence = self._look()
        except Stop as stop:
            if stop.code != UNKNOWN and not (self._patient and stop.mends):
                raise
            self._note(refused=not stop.mends)
            return nothing_seen(self._asked, stop.says)
        self._note(refused=False)
        return evidence

    def hopeless(self) -> bool:
        """Whether we have been refused for so long that only somebody else can change it."""
        return self._refused_at is not None and self._clock() - self._refused_at >= _RIGHTS_S

    def _note(self, *, refused: bool) -> None:
        if not refused:
            self._refused_at = None
        elif self._refused_at is None:
            self._refused_at = self._clock()
