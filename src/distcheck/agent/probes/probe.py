"""The contract of a probe: a named look that ends in time, and never with an exception."""

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from distcheck.checks.evidence import Missing

T = TypeVar("T")
_UNENDED = "an earlier look has not ended yet"


class ProbeError(Exception):
    """A probe could not see; the message is the reason, in words for an operator."""


class Outcome(Struct, frozen=True):
    """How the last look of a probe went, for its metrics."""

    success: bool
    seconds: float


class Pending(Generic[T]):
    """A look that runs in its own thread."""

    def __init__(self, name: str, look: Callable[[], T]) -> None:
        self._name, self._look = name, look
        self._seen: list[T | Missing] = []
        self._seconds = 0.0
        self._start = time.monotonic()
        self.thread = threading.Thread(target=self._run, daemon=True, name=f"probe {name}")
        try:
            self.thread.start()
        except (RuntimeError, MemoryError) as error:  # the limit of pids, or of memory
            self._seen.append(Missing(f"{name}: {error!r}"))

    def _run(self) -> None:
        seen = _total(self._name, self._look)
        self._seconds = time.monotonic() - self._start
        self._seen.append(seen)

    def ended_by(self, end: float) -> bool:
        """Whether it has seen, or failed, by `end` in seconds of the monotonic clock."""
        if not self._seen:
            self.thread.join(max(0.0, end - time.monotonic()))
        return bool(self._seen)

    def wait(self, limit: float) -> tuple[T | Missing, float]:
        """What was seen within `limit` seconds of the start, and how long it took."""
        if self.ended_by(self._start + limit):
            return self._seen[0], self._seconds
        return Missing(f"{self._name}: timed out after {limit:g} s"), limit


class Probing:
    """Runs looks side by side, each with a time limit, and remembers how each one went."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._running: dict[tuple[str, str], threading.Thread] = {}
        self._late: dict[tuple[str, str], Pending[Any]] = {}
        self._this_round: set[str] = set()
        self.outcomes: dict[str, Outcome] = {}
        self._at: dict[str, float] = {}

    def begin(self) -> None:
        """A new round: outcomes of the last one stay until their probe has run again."""
        self._this_round.clear()
        self._running = {key: t for key, t in self._running.items() if t.is_alive()}
        self._late = {key: late for key, late in self._late.items() if not late.ended_by(0.0)}

    def forget_others(self) -> None:
        """A probe that had nothing to look at in this round tells of it no more."""
        went = self.outcomes
        self.outcomes = {name: went[name] for name in sorted(self._this_round)}

    def within(self, seconds: float) -> dict[str, Outcome]:
        """How those went that looked in the last `seconds`."""
        since = time.monotonic() - seconds
        return {name: one for name, one in self.outcomes.copy().items() if self._at[name] >= since}

    def start(
        self, name: str, look: Callable[[], T], *, of: str = "", times: float = 1
    ) -> Callable[[], T | Missing]:
        """Start `look`; the function returned waits for it, `times` the usual limit at most.

        `of` tells the subjects of one probe apart. A look that hangs keeps its thread, and
        is not started again before it has ended.
        """
        before = self._running.get((name, of))
        if before is not None and before.is_alive():
            self._record(name, success=False, seconds=0.0)
            gone = Missing(f"{name}: {_UNENDED}")
            return lambda: gone
        pending = Pending(name, look)
        self._running[name, of] = pending.thread
        return lambda: self._end(name, pending, self._timeout * times)

    def follow(
        self, name: str, look: Callable[[], T], *, of: str, seconds: float | None = None
    ) -> Callable[[], T | Missing]:
        """As `start`, of what does not age: an answer that comes too late is given the next time.

        A look that has not ended is waited for once more, for `seconds` where they are given,
        and no second one is started.
        """
        end = time.monotonic() + (self._timeout if seconds is None else seconds)
        late = self._late.pop((name, of), None)
        why = f"timed out after {self._timeout:g} s" if late is None else _UNENDED
        pending: Pending[T] = late or Pending(name, look)
        return lambda: self._later((name, of), pending, end, Missing(f"{name}: {why}"))

    def is_late(self, name: str, of: str) -> bool:
        """Whether the look that `follow` waited for last has not ended in time."""
        return (name, of) in self._late

    def forget(self, name: str, of: str) -> None:
        """Nobody wants the late answer of this look."""
        self._late.pop((name, of), None)

    def run(self, name: str, look: Callable[[], T]) -> T | Missing:
        """What `look` sees, or why it did not: it failed, or did not end in time."""
        return self.start(name, look)()

    def _later(
        self, key: tuple[str, str], look: Pending[T], end: float, gone: Missing
    ) -> T | Missing:
        ended = look.ended_by(end)
        seen, seconds = look.wait(0.0) if ended else (gone, self._timeout)
        if not ended:
            self._late[key] = look
        self._record(key[0], success=not isinstance(seen, Missing), seconds=seconds)
        return seen

    def _end(self, name: str, pending: Pending[T], limit: float) -> T | Missing:
        seen, seconds = pending.wait(limit)
        self._record(name, success=not isinstance(seen, Missing), seconds=seconds)
        return seen

    def _record(self, name: str, *, success: bool, seconds: float) -> None:
        """A probe of several subjects has seen only if it saw all; its time is the longest."""
        if name in self._this_round:
            before = self.outcomes[name]
            success, seconds = success and before.success, max(seconds, before.seconds)
        self._this_round.add(name)
        self._at[name] = time.monotonic()
        self.outcomes[name] = Outcome(success, seconds)


def _total(name: str, look: Callable[[], T]) -> T | Missing:
    try:
        return look()
    except (ProbeError, OSError) as error:
        return Missing(_writable(f"{name}: {error}"))
    except Exception as error:  # noqa: BLE001 - a probe must never end the agent
        return Missing(_writable(f"{name}: internal error: {type(error).__name__}: {error}"))


def _writable(text: str) -> str:
    """`text` as UTF-8 can hold it: an error may name a file whose name is no text."""
    return text.encode("utf-8", "replace").decode()
