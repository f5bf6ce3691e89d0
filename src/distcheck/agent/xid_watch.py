"""Waits for Xid events of the node's GPUs as long as the agent runs.

NVML tells an event only to those who wait for it. Who waits holds the GPUs' devices open, and a
GPU that is held is not reset: after an Xid that asks for a reset, the agent lets go for an hour.
"""

import threading
import time
from collections.abc import Callable

from distcheck.agent import clock
from distcheck.agent.nvml_events import XidEvents
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.xid_record import XidRecord
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.xids import Xids
from distcheck.checks.knowledge.xids import known

_WAIT = 0.5
"""Seconds of one wait: the agent ends within two seconds of a signal."""
_BETWEEN = 0.01
"""Seconds between events that come at once."""
_AT_FIRST, _SOON, _LATER = 20.0, 0.25, 15.0
"""While the agent is this young it tries again soon: a driver may start after it."""
_REST, _COMPANIONS = 3600.0, 5.0
"""Seconds without the GPUs, and seconds before it for the Xids that come along."""
_SILENT = 10.0


class XidWatch:
    """Waits in a thread of its own; whatever the driver does costs this thread alone."""

    def __init__(self, nvml: Nvml, rest: float = _REST) -> None:
        self._nvml, self._rest = nvml, rest
        self._over = threading.Event()
        self._record = XidRecord(clock.now)
        self._since, self._until, self._deaf = "", "", tuple[str, ...]()
        self._why = "the agent does not wait for them (DISTCHECK_XID_WATCH=true lets it)"
        self._last = 0.0

    def start(self) -> Callable[[], None]:
        """Begin; the function returned ends it, and waits for nothing."""
        threading.Thread(target=self._run, daemon=True, name="xid").start()
        return self._over.set

    def seen(self) -> Xids | Missing:
        """What came so far, from memory."""
        since, why = self._since, self._why
        if not since:
            return Missing(why)
        if not why and time.monotonic() - self._last > _SILENT:
            why = "NVML does not come back"
        rows, dropped = self._record.rows()
        return Xids(since, self._until, rows, self._deaf, dropped, why)

    def _run(self) -> None:
        begin = time.monotonic()
        while not self._over.is_set():
            pause = self._wait_once()
            young = time.monotonic() - begin < _AT_FIRST
            self._over.wait(min(pause, _SOON) if young else pause)

    def _wait_once(self) -> float:
        """Until it fails, or lets go; the seconds until the next try."""
        try:
            with self._nvml.xids() as events:
                self._begun(events)
                index = self._listen(events)
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends this wait alone
            self._why = str(error) or type(error).__name__
            return _LATER
        if index is None:
            return _LATER
        self._why = f"the agent let go of the GPUs, so that GPU {index} can be reset"
        self._over.wait(self._rest)
        return 0

    def _begun(self, events: XidEvents) -> None:
        self._deaf, self._last = tuple(events.deaf), time.monotonic()
        self._since = self._until = clock.now()
        self._why = ""
        self._record.forget_gone(events.there)

    def _listen(self, events: XidEvents) -> int | None:
        """Until the agent ends (None), or a GPU is to be reset (its index)."""
        found: tuple[int, float] | None = None
        while not self._over.is_set():
            begin = time.monotonic()
            event = events.wait(_WAIT)
            self._last, self._until = time.monotonic(), clock.now()
            if event is not None:
                self._record.add(event)
                if found is None and known(event.number).lets_go:
                    found = event.index, self._last + _COMPANIONS
            if found is not None and self._last > found[1]:
                return found[0]
            # A driver that does not wait must not be asked without a pause.
            early = event is None and self._last - begin < _WAIT / 2
            self._over.wait(_WAIT if early else _BETWEEN)
        return None
