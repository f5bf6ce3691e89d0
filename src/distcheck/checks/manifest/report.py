"""What `distcheck lint` tells (`distcheck.lint/v1`)."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.manifest.finding import LEVELS, Level

SCHEMA = "distcheck.lint/v1"


class At(Struct, frozen=True, omit_defaults=True):
    """A place in a file: lines and columns from 1, `end_column` behind the last character.

    `source` is the line itself, `object` what it belongs to (`StatefulSet/vllm`), `path` the
    way to it there. Line 0 is the file as a whole.
    """

    file: str
    line: int
    column: int
    end_column: int
    source: str = ""
    object: str = ""
    path: str = ""


class LintFinding(Struct, frozen=True, omit_defaults=True):
    """One finding. `unseen` is what kept the rule from being sure; `silenced` the reason given."""

    id: str
    level: Level
    title: str
    says: str
    fix: str
    at: At
    also: tuple[At, ...] = ()
    unseen: str = ""
    silenced: str | None = None


class NotJudged(Struct, frozen=True, omit_defaults=True):
    """What of the input was not judged; `unreadable` where it should have been."""

    file: str
    line: int
    column: int
    says: str
    unreadable: bool = False


class LintReport(Struct, frozen=True):
    """All findings by file and line. `groups` says in words what was understood as one."""

    schema: str
    distcheck_version: str
    files: int
    objects: int
    judged: int
    groups: tuple[str, ...]
    findings: tuple[LintFinding, ...]
    not_judged: tuple[NotJudged, ...]

    @property
    def open(self) -> tuple[LintFinding, ...]:
        """Those that no comment silences."""
        return tuple(f for f in self.findings if f.silenced is None)


def as_grave(level: Level, asked: Level) -> bool:
    """Whether `level` is at least as grave as `asked`."""
    return LEVELS.index(level) <= LEVELS.index(asked)


def counted_levels(found: Iterable[LintFinding]) -> dict[str, int]:
    """How many of each level, the gravest first, without those that there are none of."""
    levels = [f.level for f in found]
    return {level: levels.count(level) for level in LEVELS if level in levels}
