"""The objects through time: revisions, and who waits for the next one."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from distcheck.lab.apiserver.addressed import addressed

Object = dict[str, Any]
Objects = tuple[Object, ...]

_TICK_S = 0.5


class History:
    """The last `depth` revisions of all objects; older ones are compacted away, as in etcd."""

    def __init__(self, objects: Iterable[Object], depth: int = 100) -> None:
        self._changed = threading.Condition()
        self._past: deque[tuple[int, Objects]] = deque(maxlen=depth)
        self._over = False
        self.put(objects)

    @property
    def now(self) -> tuple[int, Objects]:
        """(revision, objects), read together."""
        return self._past[-1]

    def put(self, objects: Iterable[Object]) -> None:
        """A new revision; an object that changed bears its number."""
        with self._changed:
            revision = self._past[-1][0] + 1 if self._past else 1
            before = {_key(o): o for o in self._past[-1][1]} if self._past else {}
            now = tuple(_stamped(addressed(o), before, revision) for o in objects)
            self._past.append((revision, now))
            self._changed.notify_all()

    def compact(self) -> None:
        """Forget all revisions but the present one."""
        with self._changed:
            now = self._past[-1]
            self._past.clear()
            self._past.append(now)

    def end(self) -> None:
        """Nobody waits any longer."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def at(self, revision: int) -> Objects | None:
        """The objects as they were, or None where that is compacted away."""
        return next((objects for r, objects in tuple(self._past) if r == revision), None)

    def since(self, revision: int, seconds: float) -> Iterator[tuple[int, Objects | None]]:
        """Each revision after `revision` as it comes, for `seconds`; from 0 the present first.

        None for the objects means that revisions in between are gone.
        """
        deadline = time.monotonic() + seconds
        if not revision:
            now = self.now
            yield now
            revision = now[0]
        while time.monotonic() < deadline and not self._over:
            later = [one for one in tuple(self._past) if one[0] > revision]
            if later and later[0][0] != revision + 1:
                yield self.now[0], None
                return
            for one in later:
                yield one
                revision = one[0]
            self._wait(revision, deadline)

    def _wait(self, revision: int, deadline: float) -> None:
        with self._changed:
            if self._past[-1][0] == revision and not self._over:
                self._changed.wait(min(_TICK_S, max(0.0, deadline - time.monotonic())))


def _key(one: Object) -> tuple[str, str, str]:
    meta = one["metadata"]
    return str(one.get("kind")), str(meta.get("namespace")), str(meta.get("name"))


def _stamped(one: Object, before: dict[tuple[str, str, str], Object], revision: int) -> Object:
    """`one` with the revision in which it last changed; the caller's own number is no matter."""
    old = before.get(_key(one))
    if old is not None and _bare(old) == _bare(one):
        return old
    version = {"resourceVersion": str(revision)}
    return {**one, "metadata": {**one["metadata"], **version}}


def _bare(one: Object) -> Object:
    meta = {k: v for k, v in one["metadata"].items() if k != "resourceVersion"}
    return {**one, "metadata": meta}
