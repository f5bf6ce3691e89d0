"""A verdict says and cites. One that passes or fails without evidence cannot be built."""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

from msgspec import Struct

from distcheck.checks.evidence import Cite

Outcome = Literal["pass", "warn", "fail", "unknown", "skipped"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
_NEED_CITES = ("pass", "warn", "fail", "skipped")


class Verdict(Struct, frozen=True):
    """What a check says: outcome, sentence, cause, subjects and what it rests on.

    `remedy` overrides the check's own where the cause calls for another one.
    """

    outcome: Outcome
    says: str
    cites: tuple[Cite, ...] = ()
    cause: str | None = None
    subjects: tuple[str, ...] = ()
    remedy: str | None = None

    def __post_init__(self) -> None:
        """Refuse to say anything definite that rests on nothing."""
        if self.outcome in _NEED_CITES and not self.cites:
            raise ValueError(f"a verdict of {self.outcome!r} must cite evidence: {self.says}")


def passed(says: str, cites: Iterable[Cite], subjects: Iterable[str] = ()) -> Verdict:
    """The claim holds, and this is what shows it."""
    return Verdict("pass", says, tuple(cites), None, tuple(subjects))


def failed(
    says: str,
    cause: str | None,
    cites: Iterable[Cite],
    subjects: Iterable[str] = (),
    remedy: str | None = None,
) -> Verdict:
    """The claim is proven wrong; `cause` is one of the ids that the check documents."""
    return Verdict("fail", says, tuple(cites), cause, tuple(subjects), remedy)


def warned(
    says: str,
    cause: str | None,
    cites: Iterable[Cite],
    subjects: Iterable[str] = (),
    remedy: str | None = None,
) -> Verdict:
    """The claim holds, but something near it should be looked at."""
    return Verdict("warn", says, tuple(cites), cause, tuple(subjects), remedy)


def unknown(
    says: str,
    cites: Iterable[Cite] = (),
    cause: str | None = None,
    remedy: str | None = None,
) -> Verdict:
    """Not enough was seen; `says` gives the reason, `remedy` how to see more."""
    return Verdict("unknown", says, tuple(cites), cause, remedy=remedy)


def skipped(says: str, cites: Iterable[Cite]) -> Verdict:
    """Evidence shows that the claim does not apply to this group."""
    return Verdict("skipped", says, tuple(cites))


def verdict_line(verdict: str, says: str) -> str:
    """`fail: ...`: the verdict before what is said of it, unless that begins with it."""
    return says if says.startswith(f"{verdict}: ") else f"{verdict}: {says}"


_ORDER: tuple[Outcome, ...] = ("fail", "unknown", "warn", "pass")


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """Fail > unknown > warn > pass; skipped says nothing, and nothing at all is unknown."""
    return next((o for o in _ORDER if o in outcomes), "unknown")
