"""What Xid events came: bounded, and read by others while it is written."""

import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from msgspec import structs

from distcheck.agent.nvml_events import XidEvent
from distcheck.checks.evidence.xids import Xid

MOST_OF_A_GPU, MOST_GPUS = 32, 64


class XidRecord:
    """One row for each GPU and number: how often, first and last."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._gpus: dict[str, dict[int, Xid]] = {}
        self._dropped = 0

    def add(self, event: XidEvent) -> None:
        """Count `event`; one for which there is no room is counted as dropped."""
        with self._lock:
            if len(self._gpus) >= MOST_GPUS and event.uuid not in self._gpus:
                self._dropped += 1
                return
            rows, at = self._gpus.setdefault(event.uuid, {}), self._now()
            known = rows.get(event.number)
            if known is not None:
                rows[event.number] = structs.replace(known, count=known.count + 1, last_at=at)
            elif len(rows) < MOST_OF_A_GPU:
                rows[event.number] = Xid(event.uuid, event.index, event.number, 1, at, at)
            else:
                self._dropped += 1

    def forget_gone(self, there: Collection[str]) -> None:
        """Forget GPUs that are not `there` (UUIDs) a day after their last event.

        Not at once: an Xid may be why a GPU fell off the bus.
        """
        day_ago = f"{datetime.fromisoformat(self._now()) - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
        with self._lock:
            self._gpus = {
                uuid: rows
                for uuid, rows in self._gpus.items()
                if uuid in there or max(x.last_at for x in rows.values()) > day_ago
            }

    def rows(self) -> tuple[tuple[Xid, ...], int]:
        """All of it, and how many were dropped."""
        with self._lock:
            return tuple(x for rows in self._gpus.values() for x in rows.values()), self._dropped
