"""Ends a command that a signal asks to end: what it made is removed, and nothing is waited for."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from distcheck.agent.cli.exit import SIGNALLED

_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class Signalled(BaseException):
    """A signal asks to end; it unwinds like `KeyboardInterrupt`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number, self.code = number, SIGNALLED + number


@contextmanager
def orderly_end() -> Iterator[None]:
    """SIGTERM, SIGHUP and SIGINT unwind what runs, then exit with 128 and their number.

    One that is ignored (nohup) stays so, and a second one does not stop the first. Elsewhere
    than in the main thread signals are left as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {n: signal.getsignal(n) for n in _ENDING}
    heeded = [n for n, handler in old.items() if handler is not signal.SIG_IGN]

    def over(number: int, _frame: FrameType | None) -> None:
        for one in heeded:
            signal.signal(one, signal.SIG_IGN)
        raise Signalled(number)

    for number in heeded:
        signal.signal(number, over)
    try:
        yield
    except Signalled as signalled:
        _leave(signalled.code)
    finally:
        for number in heeded:
            signal.signal(number, old[number])


def _leave(code: int) -> None:
    """Exit now: threads that wait for an answer would hold the interpreter until its deadline."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    atexit._run_exitfuncs()  # noqa: SLF001 - temporary files of the cluster's client are there
    os._exit(code)
