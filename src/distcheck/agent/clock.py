"""The time as evidence has it."""

import time
from datetime import UTC, datetime


def now() -> str:
    """RFC 3339 in UTC, to the second: `2026-01-15T09:30:00Z`."""
    return at(time.time())


def at(seconds: float) -> str:
    """The same of `seconds` since 1970.

    Raises:
        OverflowError, ValueError, OSError: no calendar reaches so far.
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
