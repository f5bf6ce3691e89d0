"""Reads many small things of which any one may hang, and the rest is still read.

The kernel takes a lock of a process to tell its command line: of one that is stuck (a dead
network file system, a driver that hangs) the read does not come back (proc(5), mmap_lock).
"""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")
_MOST_OF_A_GROUP = 4


class _Row(Generic[T]):
    """One thread that reads keys in order, as far as it comes."""

    def __init__(self, keys: list[int], read: Callable[[int], T]) -> None:
        self._keys, self._read = keys, read
        self.done: list[T] = []
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, daemon=True, name="proc")
        self.thread.start()

    def _run(self) -> None:
        try:
            for key in self._keys:
                self.done.append(self._read(key))
        except Exception as error:  # noqa: BLE001 - raised again by who waits
            self.error = error

    def wait(self, limit: float) -> bool:
        """Until the end, or until one read has taken `limit` seconds: whether it ended."""
        before = -1
        while self.thread.is_alive() and len(self.done) > before:
            before = len(self.done)
            self.thread.join(limit)
        return not self.thread.is_alive()


class Patient(Generic[T]):
    """Remembers what hangs, and does not try it again before it has ended."""

    def __init__(self, limit: float, most: int = 3) -> None:
        self._limit, self._most = limit, most
        self._stuck: dict[int, threading.Thread] = {}

    def read(
        self, keys: Mapping[int, Hashable], read: Callable[[int], T]
    ) -> Iterator[tuple[int, T | None]]:
        """Each key with what was read; None where it hangs, or where too many do at once.

        `keys` have the group that each is of. A group with one that hangs comes last, and of
        one with several that hang no more is tried: it costs the others nothing.
        """
        stuck = self._stuck = {k: t for k, t in self._stuck.items() if t.is_alive()}
        bad = Counter(keys[key] for key in stuck if key in keys)
        left = [k for k in keys if k not in stuck and bad[keys[k]] < _MOST_OF_A_GROUP]
        left.sort(key=lambda k: keys[k] in bad)
        unread = keys.keys() - left
        for _ in range(self._most):
            row = _Row(left, read)
            ended = row.wait(self._limit)
            if row.error is not None:
                raise row.error
            seen = list(row.done)
            yield from zip(left, seen, strict=False)
            left = left[len(seen) :]
            if ended or not left:
                break
            hangs = left.pop(0)
            stuck[hangs] = row.thread
            unread.add(hangs)
            left.sort(key=lambda k: keys[k] == keys[hangs])
        yield from ((key, None) for key in (*sorted(unread), *left))
