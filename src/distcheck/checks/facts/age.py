"""How far apart two times are, without a clock: RFC 3339 in UTC, as the agents write it."""

import re

_UTC = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)\Z")
_HOUR = 60


def is_old(stamp: str, now: str) -> bool:
    """Whether `stamp` is more than an hour before `now`; False where one is not such a time."""
    then, at = _minutes(stamp), _minutes(now)
    return then is not None and at is not None and at - then > _HOUR


def _minutes(stamp: str) -> int | None:
    """Minutes of the Gregorian calendar from a day long ago; its years begin in March."""
    found = _UTC.match(stamp)
    if found is None:
        return None
    year, month, day, hour, minute = (int(n) for n in found.groups())
    year -= month < 3
    leaps = year // 4 - year // 100 + year // 400
    days = 365 * year + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day
    return (days * 24 + hour) * 60 + minute
