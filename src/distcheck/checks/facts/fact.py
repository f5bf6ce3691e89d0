"""The contract of a fact: folded from evidence, aware of what it could not see."""

from typing import Self, TypeVar

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing


class Fact(Struct, frozen=True, kw_only=True):
    """Evidence folded over a group.

    `gaps` names every part of the group that this fact should cover and does not. The
    machinery turns a pass on a fact with gaps into unknown, so a check need not.
    """

    gaps: tuple[str, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """This fact for the whole group, or why it cannot be had. Total: never raises."""
        return Missing(f"nothing of {evidence.target.name} is folded into {cls.__name__}")


F = TypeVar("F", bound=Fact)


def folded(fact: type[F], evidence: Evidence) -> F | Missing:
    """`fact` over `evidence`. Kept beside the evidence: facts are made of facts."""
    kept: dict[type[Fact], Fact | Missing] = evidence.__dict__.setdefault("_facts", {})
    found = kept.get(fact)
    if not isinstance(found, fact | Missing):
        found = kept[fact] = fact.fold(evidence)
    return found
