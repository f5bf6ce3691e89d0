"""What an agent saw before: some facts are a change, which one look cannot show."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")
_MOST = 512


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
