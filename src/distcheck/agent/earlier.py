"""What an agent saw before: some facts are a change, which one look cannot show."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
_MOST = 512
_LATELY = 600.0


class Earlier(Generic[T]):
    """The last look of each subject, of as many subjects as were seen last."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seen: OrderedDict[str, T] = OrderedDict()
        self._lock = threading.Lock()

    def before(self, subject: str, now: T) -> T | None:
        """What was seen of `subject` the last time; `now` takes its place."""
        with self._lock:
            last = self._seen.pop(subject, None)
            self._seen[subject] = now
            while len(self._seen) > self._most:
                self._seen.popitem(last=False)
            return last


class _Kept(NamedTuple, Generic[T]):
    """A look and when it was; then the older one that it was compared with."""

    look: T
    at: float
    older: T | None = None
    older_at: float = 0.0


class Before(Generic[T]):
    """Which earlier look the next one is compared with.

    Two rounds of one question may be closer than anything can be told by.
    """

    def __init__(
        self, apart: float, most: int = _MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._apart, self._clock = apart, clock
        self._earlier = Earlier[_Kept[T]](most)

    def before_of(self, subject: str, seen: T) -> T | None:
        """One that is at least `apart` seconds and at most ten minutes old; else the last."""
        now = self._clock()
        found = self._earlier.before(subject, _Kept(seen, now))
        if found is None:
            return None
        look, at = found.look, found.at
        if now - at < self._apart and found.older is not None and now - found.older_at <= _LATELY:
            look, at = found.older, found.older_at
        self._earlier.before(subject, _Kept(seen, now, look, at))
        return look
