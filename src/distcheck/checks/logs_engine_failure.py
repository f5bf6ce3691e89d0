"""A failure of the engine as `distcheck.logs/v1` has it."""

from msgspec import Struct


class LoggedFailure(Struct, frozen=True):
    """A failure: `line` counts from 1 in its file, `source` is `file:line`."""

    id: str
    fatal: bool
    says: str
    line: int | None
    source: str
    count: int = 1


class EngineCause(Struct, frozen=True):
    """The line behind a failure of the engine: what it means, and what to do about it.

    `id` is a failure's id, or `exception` for one that only its words tell.
    """

    id: str
    says: str
    line: int | None
    source: str
    means: str
    remedy: str


class LoggedEngineFailure(LoggedFailure, frozen=True):
    """A failure of the engine in its own words.

    `cause` is another line that says why; None where this line says it itself, or where
    nothing near it does: then `means` says that the error is not in this log.
    """

    means: str = ""
    remedy: str = ""
    cause: EngineCause | None = None


def line_of(source: str) -> int | None:
    """The line that `file:line` names."""
    number = source.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else None
