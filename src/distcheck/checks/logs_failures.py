"""NCCL's failures, and the engine's, as `distcheck.logs/v1` has them."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.evidence.nccl import Failure
from distcheck.checks.logs_engine import LoggedFailure, VllmPart


class RootFailure(Struct, frozen=True):
    """The fatal failure to look at first: no symptom where there is a cause, the earliest."""

    id: str
    says: str
    host: str
    line: int
    source: str


def logged_failures(failures: Iterable[Failure]) -> tuple[LoggedFailure, ...]:
    """One entry for each id, with its first line and how many lines say it."""
    folded: dict[tuple[str, bool], LoggedFailure] = {}
    for one in failures:
        key = (one.id, one.fatal)
        old = folded.get(key)
        line = (one.line, one.source, one.says) if old is None else (old.line, old.source, old.says)
        count = one.count + (0 if old is None else old.count)
        folded[key] = LoggedFailure(one.id, one.fatal, line[2], line[0], line[1], count)
    return tuple(folded.values())


def root_failure(one: Failure | None) -> RootFailure | None:
    """The failure to look at first, as the report names it."""
    return None if one is None else RootFailure(one.id, one.says, one.host, one.line, one.source)


def fatal_of(part: VllmPart) -> tuple[LoggedFailure, ...]:
    """What the engine says of itself that ends it."""
    return tuple(f for f in part.failures if f.fatal)
