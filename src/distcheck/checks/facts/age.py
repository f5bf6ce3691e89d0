"""How far apart two times are, without a clock: RFC 3339, as agents and log transports write it."""

import re
from collections.abc import Mapping
from functools import lru_cache

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,12})?)?(?:Z|([+-]\d\d):(\d\d))\Z",
    re.ASCII,
)
_HOUR, _LATELY, _SKEW = 3600, 600, 120
_EPOCH = "1970-01-01T00:00:00Z"
_JITTER = 5
"""Seconds: `/proc` gives the start of a process by the node's own count of seconds since boot."""


def is_old(stamp: str, now: str) -> bool:
    """Whether `stamp` is more than an hour before `now`; False where one is not such a time."""
    then, at = seconds(stamp), seconds(now)
    return then is not None and at is not None and at - then > _HOUR


def is_lately(stamp: str | None, now: str) -> bool:
    """Whether `stamp` lies at most ten minutes before `now`, or two after it: clocks differ."""
    then, at = seconds(stamp), seconds(now)
    return then is not None and at is not None and -_SKEW <= at - then <= _LATELY


def is_before(stamp: str | None, start: str | None) -> bool:
    """Whether a line of this time was written before its process, or container, started."""
    written, began = seconds(stamp), seconds(start)
    return written is not None and began is not None and written + _JITTER < began


def unix_ms(stamp: str | None) -> int | None:
    """Milliseconds since 1970 of `stamp`, as GCS and /proc count; None where it is no time."""
    at, first = seconds(stamp), seconds(_EPOCH)
    return None if at is None or first is None else (at - first) * 1000


def last_write(written: Mapping[str, str], source: str | None) -> str | None:
    """When the file of the line at `source` (`file:line`) was last written, where that is known.

    The line is as old or older: what a line without a time of its own has instead of one.
    """
    return written.get((source or "").rpartition(":")[0])


@lru_cache(maxsize=4096)
def seconds(stamp: str | None) -> int | None:
    """Seconds of the Gregorian calendar from a day long ago; its years begin in March."""
    found = _TIME.match(stamp or "")
    if found is None:
        return None
    year, month, day, hour, minute, second, east, beside = (int(n or 0) for n in found.groups())
    year -= month < 3
    leaps = year // 4 - year // 100 + year // 400
    days = 365 * year + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day
    zone = 60 * east + (-beside if (found[7] or "").startswith("-") else beside)
    return ((days * 24 + hour) * 60 + minute - zone) * 60 + second
