"""One sign of a hang, and how old things are in it."""

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence
from distcheck.checks.facts.age import seconds

LONG = 300
"""Seconds after which ranks that have not met are waiting in vain: a meeting takes some."""


class Sign(Struct, frozen=True):
    """One sign that ranks are missing or wait: a cause, and what it rests on.

    One that is not `sure` may be of a slow start or a busy GPU: it only warns.
    """

    cause: str
    says: str
    cites: tuple[Cite, ...]
    subjects: tuple[str, ...] = ()
    sure: bool = True


def minutes(age: int) -> str:
    """`5 min`, `2 h`."""
    return f"{age // 60} min" if age < 7200 else f"{age // 3600} h"


def age(evidence: Evidence, stamp: str | None) -> int | None:
    """Seconds from `stamp` to the evidence."""
    then, now = seconds(stamp), seconds(evidence.observed_at)
    return None if then is None or now is None else now - then
