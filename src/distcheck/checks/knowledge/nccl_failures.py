"""Which NCCL failure came first, and which lines beside it tell why.

A rank that waited for another one fails too, with words of its own: those follow, and are
never first where a cause is seen.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from distcheck.checks.evidence.nccl import Failure, Mark
from distcheck.checks.knowledge.failure_details import detail_of
from distcheck.checks.knowledge.nccl_remedies import INTERFACES, Cause, cause_of

_FOLLOWS = frozenset({"peer-closed", "watchdog-timeout", "nccl-remote-error"})
"""Failures of a rank that only waited for another one."""

_RESULTS = frozenset(
    {"nccl-system-error", "nccl-cuda-error", "nccl-invalid-usage", "nccl-internal-error"}
)
"""Result codes in a caller's words: true, and no cause."""

EARLIER_JOBS = "ray-earlier-jobs"
"""The mark of a pod of which files of Ray's jobs that ended were left out."""

_UTC = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)\Z", re.ASCII)


def depth(failure: Failure) -> int:
    """How far from the root: 0 a cause, 1 a bare result code, 2 what follows from others."""
    if failure.symptom or failure.id in _FOLLOWS:
        return 2
    return int(failure.id in _RESULTS)


def first_failure(failures: Iterable[Failure]) -> Failure | None:
    """The fatal failure to look at first: no symptom if there is a cause, then the earliest.

    Times count where a log has them (UTC); lines count within one log.
    """
    return min((f for f in failures if f.fatal), key=_order, default=None)


def _order(failure: Failure) -> tuple[int, bool, str, str, int]:
    at = moment(failure.stamp)
    return depth(failure), at is None, at or "", file_of(failure), failure.line


def moment(stamp: str | None) -> str | None:
    """A time in UTC that sorts as text; None where there is none, or it is in another form."""
    found = _UTC.match(stamp or "")
    return None if found is None else f"{found[1]}.{(found[2] or '').ljust(9, '0')}"


def file_of(failure: Failure) -> str:
    """The file that the failure stands in, without the line."""
    return failure.source.rpartition(":")[0]


class Beside(NamedTuple):
    """A line that tells why a failure came, though it is none itself."""

    host: str
    says: str
    source: str
    cause: Cause


_MOST = 2


def beside(
    first: Failure, failures: Iterable[Failure], marks: Iterable[Mark], *, apart: bool
) -> tuple[Beside, ...]:
    """What stands beside `first` and explains it, its own host's lines first; at most two.

    Interfaces that other pods cannot reach beside a connection that was not made, where ranks
    are `apart`; links that went down beside an RDMA operation that failed.
    """
    found: list[Beside] = []
    if first.id == "bootstrap-connect" and apart:
        bad = bad_interfaces(marks)
        found = [Beside(m.host, m.says, m.source, INTERFACES[m.id]) for m in bad]
    if first.id == "ib-completion":
        events = link_events(failures)
        found = [Beside(f.host, f.says, f.source, cause_of(f)) for f in events]
    return tuple(sorted(found, key=lambda b: b.host != first.host)[:_MOST])


def link_events(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Ports that went down: alone no failure, but the cause of RDMA errors that follow."""
    events = (f for f in failures if f.id == "ib-async")
    return tuple(f for f in events if (d := detail_of(f)) is not None and d.id == "link_down")


def bad_interfaces(marks: Iterable[Mark]) -> tuple[Mark, ...]:
    """Interfaces that matter only where ranks are in several pods."""
    return tuple(m for m in marks if m.id in INTERFACES)
