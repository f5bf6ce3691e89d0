"""Faults that an API server shows its callers: slow, cut, or refusing for a while."""

import threading
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct


class Fault(Struct, frozen=True):
    """What happens to requests whose path contains `path` (an empty one means all).

    `latency` in seconds before the answer; `cut` is the number of body bytes after which the
    connection breaks; `status` is an HTTP code to answer with instead (429, 500, 503), with
    `retry_after` seconds in its header. The first `times` requests meet it; None is all.
    """

    path: str = ""
    latency: float = 0.0
    cut: int | None = None
    status: int | None = None
    retry_after: int | None = None
    times: int | None = None


NO_FAULT = Fault()


class Faults:
    """The faults that are on now, and how often each was met."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.all = tuple(faults)
        self._met: Counter[int] = Counter()
        self._lock = threading.Lock()

    def meet(self, path: str) -> Fault:
        """The first fault for `path` that has not been met often enough, or `NO_FAULT`."""
        with self._lock:
            for number, fault in enumerate(self.all):
                left = fault.times is None or self._met[number] < fault.times
                if fault.path in path and left:
                    self._met[number] += 1
                    return fault
        return NO_FAULT
