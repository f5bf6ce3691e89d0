"""Waiting for what comes by itself."""

import time
from collections.abc import Callable


def within(seconds: float, holds: Callable[[], object]) -> bool:
    """Whether it holds before the time is over; asked again and again, once more at its end."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return bool(holds())
        time.sleep(0.02)
    return True
