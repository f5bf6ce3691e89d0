"""What a rule found, and where."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.manifest.place import Spot

Level = Literal["error", "warning", "hint"]
LEVELS: tuple[Level, ...] = ("error", "warning", "hint")
"""The gravest first. An error cannot work as it is written; a warning is likely to fail or to be
slow; a hint is advice, or what could not be seen in these files."""


class Finding(Struct, frozen=True):
    """One thing that is wrong at `spot`; `says` is the cause in these manifests' own words.

    `fix` is what to write here, empty where the rule's page says it. `unseen` is what the rule
    could not see, which keeps it from being sure: such a finding is a hint. `level` None is the
    rule's own.
    """

    spot: Spot
    says: str
    fix: str = ""
    level: Level | None = None
    unseen: str = ""
    also: tuple[Spot, ...] = ()


class Told(Struct, frozen=True):
    """A finding of rule `id`, at its level; `silenced` is the reason that an annotation gives."""

    id: str
    level: Level
    title: str
    finding: Finding
    fix: str
    silenced: str | None = None
