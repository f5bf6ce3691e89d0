"""What `distcheck lint` tells (`distcheck.lint/v1`)."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.manifest.finding import LEVELS, Level

SCHEMA = "distcheck.lint/v1"
PIPED = "standard input"
"""The name of the file that `-` is."""


class At(Struct, frozen=True, omit_defaults=True):
    """A place in a file: lines and columns from 1, `end_column` behind the last character.

    `source` is the line itself, with stars for secrets, of a long one the part behind its first
    `cut` characters; `object` what it belongs to
    (`StatefulSet/vllm`), `namespace` where that is written, `path` the way to it there. `origin`
    is the template or file that the object was made from, where `helm template` or `kustomize
    build` says so. Line 0 is the file as a whole.
    """

    file: str
    line: int
    column: int
    end_column: int
    source: str = ""
    object: str = ""
    path: str = ""
    namespace: str = ""
    origin: str = ""
    cut: int = 0


class Edit(Struct, frozen=True):
    """Text from `column` to `end_column` (not included) of a line becomes `text`; from 1."""

    line: int
    column: int
    end_column: int
    text: str


class LintFinding(Struct, frozen=True, omit_defaults=True):
    """One finding. `unseen` is what kept the rule from being sure; `silenced` the reason given.

    `fixable`: `--fix` mends it, by `edits` of `at.file`, which are not told where they would show
    a secret.
    """

    id: str
    level: Level
    title: str
    says: str
    fix: str
    at: At
    also: tuple[At, ...] = ()
    unseen: str = ""
    silenced: str | None = None
    fixable: bool = False
    edits: tuple[Edit, ...] = ()


class NotJudged(Struct, frozen=True, omit_defaults=True):
    """What of the input was not judged; `unreadable` where it should have been.

    `misspelt`: a comment or an annotation that is to silence a finding, and cannot. `bug`: it is
    our fault, of `rule` or, without one, of what reads manifests; `trace` is the traceback, of each
    place in our code once.
    """

    file: str
    line: int
    column: int
    says: str
    unreadable: bool = False
    misspelt: bool = False
    bug: bool = False
    rule: str = ""
    trace: str = ""


class LintReport(Struct, frozen=True):
    """All findings by file and line. `groups` says in words what was understood as one.

    `judged` counts what serves a model among `objects`, `rules` the rules that were asked
    for, 0 where no file was read.
    """

    schema: str
    distcheck_version: str
    files: int
    objects: int
    judged: int
    groups: tuple[str, ...]
    findings: tuple[LintFinding, ...]
    not_judged: tuple[NotJudged, ...]
    rules: int

    @property
    def open(self) -> tuple[LintFinding, ...]:
        """Those that no comment silences."""
        return tuple(f for f in self.findings if f.silenced is None)

    @property
    def grave(self) -> tuple[NotJudged, ...]:
        """What should have been judged: what cannot be read, and what our own bugs cost."""
        return tuple(n for n in self.not_judged if n.unreadable or n.bug)

    @property
    def bugs(self) -> tuple[NotJudged, ...]:
        """What our own bugs kept from being judged."""
        return tuple(n for n in self.not_judged if n.bug)


def as_grave(level: Level, asked: Level) -> bool:
    """Whether `level` is at least as grave as `asked`."""
    return LEVELS.index(level) <= LEVELS.index(asked)


def counted_levels(found: Iterable[LintFinding]) -> dict[str, int]:
    """How many of each level, the gravest first, without those that there are none of."""
    levels = [f.level for f in found]
    return {level: levels.count(level) for level in LEVELS if level in levels}
