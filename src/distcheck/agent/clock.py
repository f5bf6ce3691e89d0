"""The time as evidence has it."""

from datetime import UTC, datetime


def now() -> str:
    """RFC 3339 in UTC, to the second: `2026-01-15T09:30:00Z`."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
