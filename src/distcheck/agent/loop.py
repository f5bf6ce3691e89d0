"""A loop of the agent's own: it goes on whatever one of its turns does, and tells it."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from distcheck.agent.own_bugs import for_a_log
from distcheck.agent.probes.probe import Outcome

_STUCK_TURNS, _STUCK_S = 3, 600.0
"""After this many periods and seconds without a turn that ended, the loop hangs."""
_BREATH = 1.0


class Loop:
    """Takes one turn after the other in a thread, and `rest`s between, until `over` is set.

    `name` is that of its probe, `period` the seconds from turn to turn.
    """

    def __init__(
        self, name: str, turn: Callable[[], None], rest: Callable[[], object], period: float
    ) -> None:
        self._name, self._turn, self._rest, self._period = name, turn, rest, period
        self.over = threading.Event()
        self.thread: threading.Thread | None = None
        self.outcomes: dict[str, Outcome] = {}
        self._moved = time.monotonic()

    def start(self, at_last: Callable[[], None] = lambda: None) -> None:
        """Begin; `at_last` is done once it is over."""
        self._moved = time.monotonic()
        self.thread = threading.Thread(
            target=self._run, args=(at_last,), daemon=True, name=self._name
        )
        self.thread.start()

    @property
    def runs(self) -> bool:
        """Whether its thread lives."""
        return self.thread is not None and self.thread.is_alive()

    @property
    def trouble(self) -> str:
        """Why it does not go on; empty where it does, is over, or was never begun."""
        if self.thread is None or self.over.is_set():
            return ""
        if not self.runs:
            return f"{self._name}: its thread has ended"
        idle = time.monotonic() - self._moved
        hangs = idle > _STUCK_TURNS * self._period + _STUCK_S
        return f"{self._name}: no turn has ended for {idle:.0f} s" if hangs else ""

    def _run(self, at_last: Callable[[], None]) -> None:
        while not self.over.is_set():
            self._once()
            try:
                self._rest()
            except Exception:  # noqa: BLE001 - without memory even a wait may fail
                time.sleep(_BREATH)
        at_last()

    def _once(self) -> None:
        start = time.monotonic()
        try:
            self._turn()
            success = True
        except Exception:  # noqa: BLE001 - one turn must not end those after it
            success = False
            self._tell()
        self._moved = time.monotonic()
        self.outcomes = {self._name: Outcome(success, self._moved - start)}

    def _tell(self) -> None:
        """The traceback, once for each time that it begins to fail."""
        before = self.outcomes.get(self._name)
        if before is None or before.success:
            with suppress(Exception):
                sys.stderr.write(for_a_log(traceback.format_exc()))
