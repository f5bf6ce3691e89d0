"""From what rules find to what the report tells: places in files, silenced, mended or softened."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from distcheck.agent.manifests.annotated import Silencing, silencing_of
from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.comments import At as Line
from distcheck.agent.manifests.comments import silenced
from distcheck.agent.manifests.hiding import hidden_words, said, words_of
from distcheck.agent.manifests.locate import located
from distcheck.agent.manifests.secrets_in import Hides
from distcheck.checks.manifest.bug import Bug, contained
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Level, Told
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.report import PIPED, At, LintFinding, as_grave
from distcheck.checks.manifest.rule import Rule

if TYPE_CHECKING:
    from distcheck.agent.manifests.changes import Change
    from distcheck.agent.manifests.edits import Edit
    from distcheck.agent.manifests.kustomized import Kustomized

MENDS = ("CONF060", "CONF070", "CONF091")
"""The rules whose findings can be mended without knowing more than the file (`changes.py`)."""


class Noted(Struct):
    """What is learnt beside the findings: what silenced one, and what can be mended.

    `used` by comments, by file; `by_annotation` the lines of annotations and what they silenced;
    `bugs` what of ours raised.
    """

    used: dict[str, set[Line]] = field(default_factory=dict)
    by_annotation: set[Silencing] = field(default_factory=set)
    changes: "dict[LintFinding, Change]" = field(default_factory=dict)
    kustomized: "Kustomized | None" = None
    bugs: list[Bug] = field(default_factory=list)


def findings_of(
    bundle: Bundle, by_number: Mapping[int, Known], rules: Sequence[Rule], level: Level,
    noted: Noted, hides: Hides,
) -> Iterator[LintFinding]:  # fmt: skip
    """What `rules` find in a bundle, from `level` on, once each; and `noted`, what goes with it."""
    seen: set[tuple[str, str, int, int, str]] = set()
    for rule in rules:
        for judged_ in rule.judge(bundle, noted.bugs):
            with contained(noted.bugs, rule.id, judged_.finding.spot):
                told = _softened(judged_, by_number, noted)
                if not as_grave(told.level, level):
                    continue
                one = _finding(told, by_number, noted, hides)
                key = (one.id, one.at.file, one.at.line, one.at.column, one.says)
                if key not in seen:
                    seen.add(key)
                    yield one
                    _note_change(by_number[told.finding.spot.of], told, one, noted)


def _softened(told: Told, by_number: Mapping[int, Known], noted: Noted) -> Told:
    """A hint, where a kustomization of the input may mend it."""
    if noted.kustomized is None or told.level == "hint" or told.finding.unseen:
        return told
    unseen = noted.kustomized.unseen(by_number[told.finding.spot.of], told)
    if not unseen:
        return told
    return replace(told, level="hint", finding=replace(told.finding, unseen=unseen))


def _note_change(held: Known, told: Told, one: LintFinding, noted: Noted) -> None:
    if told.id not in MENDS or one.silenced is not None or one.unseen:
        return
    from distcheck.agent.manifests.changes import change_of  # noqa: PLC0415 - only what needs it

    change = change_of(held, told)
    if change is not None:
        noted.changes[one] = change


def _finding(told: Told, by_number: Mapping[int, Known], noted: Noted, hides: Hides) -> LintFinding:
    spot = told.finding.spot
    held = by_number[spot.of]
    at = located(held, spot, hides.places)
    first = located(held, Spot(spot.of)).line - 1
    source = held.document.source
    why = silenced(source, told.id, at.line - 1, first)
    if why:
        noted.used.setdefault(source.name, set()).add(why[1])
    if told.silenced is not None:
        noted.by_annotation |= silencing_of(held, told)
    spots = (spot, *told.finding.also)
    also = tuple(located(by_number[s.of], s, hides.places) for s in spots[1:])
    words = _hidden(spots, (at, *also), by_number, hides)
    reason = why[0] if why else told.silenced
    says, fix, unseen, reason_ = (
        said(t, hides.values, words)
        for t in (told.finding.says, told.fix, told.finding.unseen, reason or "")
    )
    return LintFinding(
        told.id, told.level, told.title, says, fix, at, also, unseen,
        None if reason is None else reason_,
    )  # fmt: skip


def _hidden(
    spots: Sequence[Spot], places: Sequence[At], by_number: Mapping[int, Known], hides: Hides
) -> tuple[str, ...]:
    """Words that are starred where a finding is: no message of it says them."""
    found: dict[str, None] = {}
    for spot, at in zip(spots, places, strict=True):
        held = by_number[spot.of]
        found |= dict.fromkeys(hidden_words(held.thing.place.at(*spot.path).value))
        for start, end in hides.places.get((at.file, at.line - 1), ()):
            found |= dict.fromkeys(words_of(held.document.source.lines[at.line - 1][start:end]))
    return tuple(found)


def with_edits(
    one: LintFinding,
    changes: "Mapping[LintFinding, Change]",
    safe: "Mapping[str, Collection[tuple[Edit, ...]]]",
) -> LintFinding:
    """With the edits that mend it, where they are among those that are `safe` in its file."""
    if one not in changes or changes[one].edits not in safe.get(one.at.file, ()):
        return one
    if one.at.file == PIPED and one.at.origin:
        return one  # what a chart made is mended in the chart
    from distcheck.agent.manifests.mending import shown_edits  # noqa: PLC0415 - as above

    return replace(one, fixable=True, edits=shown_edits(changes[one], one.at))
