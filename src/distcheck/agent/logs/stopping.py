"""Ends the reading of an endless log by a signal, without losing what was read."""

import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818 - an orderly end, not an error
    """A signal asks to read no more."""


class Stopping:
    """While entered, the first SIGINT or SIGTERM ends the reading; the second ends all.

    Nothing is interrupted but waiting: bytes that were taken from a file are never lost.
    A signal that the caller ignores (nohup, a job in the background) stays ignored.
    """

    def __init__(self) -> None:
        self.stopped = False
        self._waits = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        heeded = [n for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._asked) for number in heeded}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # as it was given to us
        self._before = {}

    def _asked(self, _number: int, _frame: FrameType | None) -> None:
        self.stopped = True
        self.__exit__()
        if self._waits:
            raise Stopped

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around what may block for ever.

        Raises:
            Stopped: a signal came, before or meanwhile.
        """
        self._waits = True
        try:
            if self.stopped:
                raise Stopped
            yield
        finally:
            self._waits = False

    def until_readable(self, descriptor: int) -> None:
        """Wait for bytes, or for their end.

        Raises:
            Stopped: a signal came, before or meanwhile.
        """
        with self.waiting():
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()


Told = Callable[[str, int], None]
"""Takes the name of a file and how many of its bytes are read, from time to time."""
