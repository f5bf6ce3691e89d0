"""Durations as Kubernetes and Prometheus write them: `90s`, `10m`, `1h30m`, `500ms`."""

import re

from distcheck.pattern import pattern

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = pattern(r"(\d+(?:\.\d+)?)(ms|s|m|h)", re.ASCII)
_YEAR = 365 * 24 * 3600
HOW = "write 90s, 10m or 1h30m"


def seconds_of(text: str) -> float | None:
    """Seconds of `text`, above zero and at most a year; None where it is no such duration."""
    parts = _PART.findall(text)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    whole = "".join(n + u for n, u in parts) == text
    return seconds if whole and 0 < seconds <= _YEAR else None
