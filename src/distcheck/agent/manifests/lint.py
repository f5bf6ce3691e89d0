"""`lint` without its command: files in, a report out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from distcheck import __version__
from distcheck.agent.manifests.annotated import idle_annotations
from distcheck.agent.manifests.beyond import beyond
from distcheck.agent.manifests.findings import Noted, findings_of, with_edits
from distcheck.agent.manifests.group_words import group_words
from distcheck.agent.manifests.hiding import said
from distcheck.agent.manifests.problems import idle_comments, of_input, read_in_part
from distcheck.agent.manifests.reading import Reading, about, understood
from distcheck.agent.manifests.scopes import scopes
from distcheck.agent.manifests.secrets_in import hides_or_all
from distcheck.agent.manifests.source import Document, Problem
from distcheck.agent.manifests.unrendered import is_kustomization
from distcheck.checks.manifest.bug import Bug, contained
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Level
from distcheck.checks.manifest.report import SCHEMA, LintFinding, LintReport, NotJudged
from distcheck.checks.manifest.rule import Rule

if TYPE_CHECKING:
    from distcheck.agent.manifests.bundles import Known
    from distcheck.agent.manifests.kustomized import Kustomized
    from distcheck.checks.evidence import ModelConfig
    from distcheck.checks.knowledge.plan_fabric import Fabric


class Asked(Struct, frozen=True):
    """What to judge by: the rules, the least grave level, and what the caller knows."""

    rules: tuple[Rule, ...]
    level: Level = "hint"
    config: "ModelConfig | None" = None
    interconnect: "Fabric | None" = None


class Judged(Struct, frozen=True):
    """A report, and by file what its text becomes where that can be mended."""

    report: LintReport
    mended: Mapping[str, str]


def lint_texts(
    read: Sequence[tuple[str, str]], asked: Asked, problems: Iterable[Problem] = ()
) -> LintReport:
    """Judge texts by their names; `problems` are what could not be read."""
    return judged(read, asked, problems).report


def judged(
    read: Sequence[tuple[str, str]], asked: Asked, problems: Iterable[Problem] = ()
) -> Judged:
    """As `lint_texts`, with what can be mended. Where we have a bug all else is judged."""
    reading, whole = Reading(problems=list(problems)), _Whole()
    for name, text in dict.fromkeys(read):
        reading.add(name, text, whole.bugs)
    texts, held = dict(read), reading.held
    noted = Noted(bugs=whole.bugs)
    with contained(whole.bugs):
        noted.kustomized = _kustomized(reading.documents)
        held = noted.kustomized.without_patches(held) if noted.kustomized else held
    with contained(whole.bugs):
        inner = noted.kustomized.inner if noted.kustomized else ()
        whole.told += of_input(reading.problems, held, reading.strange, tuple(texts), inner)
    for scope in _scopes(held, texts, whole.bugs):
        _take(scope, asked, noted, whole)
    sources = {d.source.name: d.source for d in reading.documents}.values()
    with contained(whole.bugs):
        whole.told += idle_comments(sources, _silent(asked, whole.bugs), noted.used)
    mended: dict[str, str] = {}
    with contained(whole.bugs):
        mended = _mended(texts, noted, whole)
    if whole.bugs:
        from distcheck.agent.manifests.bugs import told_bugs  # noqa: PLC0415 - of bugs alone

        whole.told += told_bugs(whole.bugs, tuple(texts), held, whole.secrets)
    told = tuple(_told(p, whole.secrets) for p in whole.told)
    report = LintReport(
        SCHEMA, __version__, len(texts), len(held), whole.serving, tuple(whole.groups),
        tuple(sorted(whole.findings, key=_order)), told, len(asked.rules),
    )  # fmt: skip
    return Judged(report, mended)


def _scopes(
    held: "Sequence[Known]", names: Iterable[str], bugs: list[Bug]
) -> "Sequence[Sequence[Known]]":
    """What is judged together; nothing of these files where that cannot be told."""
    raised: list[Bug] = []
    with contained(raised):
        return list(scopes(held))
    bugs += (replace(bug, about=name) for bug in raised for name in names)
    return ()


def _told(problem: Problem, secrets: Sequence[str]) -> NotJudged:
    return replace(problem.not_judged, says=said(problem.says, secrets))


class _Whole(Struct):
    """What all scopes give."""

    told: list[Problem] = []
    findings: list[LintFinding] = []
    groups: list[str] = []
    serving: int = 0
    bugs: list[Bug] = []
    secrets: list[str] = []


def _take(scope: "Sequence[Known]", asked: Asked, noted: Noted, whole: _Whole) -> None:
    before = len(whole.bugs)
    known = Bundle((), config=asked.config, interconnect=asked.interconnect)
    fine, bundle = understood(scope, known, whole.bugs)
    by_number = {k.thing.place.of: k for k in scope}
    hides = hides_or_all(bundle, by_number, whole.bugs)
    whole.secrets += hides.values
    whole.findings += findings_of(bundle, by_number, asked.rules, asked.level, noted, hides)
    whole.serving += sum(t.serves for t in bundle.templates)
    with contained(whole.bugs):
        whole.groups += (said(group_words(g), hides.values) for g in bundle.groups)
    with contained(whole.bugs):
        whole.told += read_in_part(bundle, by_number)
        whole.told += beyond(fine, bundle.templates)
        silent = _silent(asked, whole.bugs)
        whole.told += idle_annotations(fine, silent, noted.by_annotation)
    whole.bugs[before:] = (about(scope[0], b) for b in whole.bugs[before:])


def _silent(asked: Asked, bugs: Iterable[Bug]) -> set[str]:
    """The rules whose silence says that there is nothing to silence."""
    return {r.id for r in asked.rules} - {b.rule for b in bugs}


def _mended(texts: Mapping[str, str], noted: Noted, whole: _Whole) -> dict[str, str]:
    """By file, what its text becomes; the findings that this mends are marked."""
    if not noted.changes:
        return {}
    from distcheck.agent.manifests.mending import mended, why_left  # noqa: PLC0415 - rarely needed

    kept = mended(texts, noted.changes.values())
    safe = {n: m.edits for n, m in kept.items() if why_left(texts[n], m.text) is None}
    whole.findings = [with_edits(f, noted.changes, safe) for f in whole.findings]
    return {n: one.text for n, one in kept.items()}


def _kustomized(found: Sequence[Document]) -> "Kustomized | None":
    if not any(is_kustomization(d.source.name) for d in found):
        return None
    from distcheck.agent.manifests.kustomized import kustomized  # noqa: PLC0415 - as below

    return kustomized(found)


def _order(finding: LintFinding) -> tuple[str, int, int, str]:
    return (finding.at.file, finding.at.line, finding.at.column, finding.id)
