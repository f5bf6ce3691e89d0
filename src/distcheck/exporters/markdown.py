"""Markdown for a comment or a job's summary: the verdict, then what is to be done.

GitHub takes 65,536 characters in a comment and nothing of one that is longer, so what is folded
away is left out first, then evidence, then findings.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from distcheck.checks.findings import by_cause
from distcheck.checks.report import Finding, Report
from distcheck.exporters.formats import Page
from distcheck.exporters.outcome import left_out, quiet
from distcheck.exporters.typography import visible

_SIGNS = {"pass": "✅", "warn": "⚠️", "fail": "❌", "unknown": "❔", "skipped": "➖"}  # noqa: RUF001
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~!&])")
_REFERENCE = re.compile(r"(@|#(?=\d))")
_CITES = 5
_ROOM = 60_000
_SHORTENED = " Shortened to fit: all of it is in the other formats."


def render(reports: Sequence[Report], _page: Page) -> str:
    """A section for each report, as full as all of them together have room for."""
    parts: tuple[Part, ...] = (_notes, _loud, _quiet)
    for kept in (parts, (_notes, _loud), (_notes, _unproven), ()):
        whole = "\n".join(_section(report, kept) for report in reports)
        if len(whole) <= _ROOM:
            return whole
    return _cut(whole)


def _cut(text: str) -> str:
    """As many whole sections as there is room for, and a line that says so."""
    sections = re.split(r"(?m)(?=^### )", text)
    kept, left = "", len(sections)
    for section in sections:
        if len(kept) + len(section) > _ROOM:
            break
        kept, left = kept + section, left - 1
    return f"{kept}\nand {left} groups more, all of them with `-o json`\n"


Part = Callable[[Report], Iterator[str]]


def _section(report: Report, parts: Sequence[Part]) -> str:
    name = plain(report.target.full_name)
    lines = [
        f"### {_SIGNS[report.verdict]} distcheck: {name} {_verdict(report)}",
        "",
        plain(report.summary),
        "",
        *(line for part in parts for line in part(report)),
        f"<sub>{plain(_footer(report))}{'' if _quiet in parts else _SHORTENED}</sub>",
        "",
    ]
    return "\n".join(lines)


def _notes(report: Report) -> Iterator[str]:
    yield from (f"- {plain(note)}" for note in report.notes)
    if report.left_out:
        yield f"- Left out: {plain(left_out(report))}"


def _footer(report: Report) -> str:
    return f"Observed {report.observed_at}, distcheck {report.distcheck_version}."


def _verdict(report: Report) -> str:
    words = {"pass": "passes", "warn": "passes, with warnings", "fail": "fails"}
    return words.get(report.verdict, "is undecided")


def _loud(report: Report) -> Iterator[str]:
    """What fails, then what is unknown and counts, then what warns: each in full."""
    for finding in _ordered(report):
        yield from _told(finding)
        yield from _seen(finding)


def _unproven(report: Report) -> Iterator[str]:
    """The same without evidence."""
    for finding in _ordered(report):
        yield from _told(finding)


def _ordered(report: Report) -> Iterator[Finding]:
    for outcome in ("fail", "unknown", "warn"):
        for finding in by_cause(report.checks):
            if finding.outcome == outcome and (finding.core or outcome != "unknown"):
                yield finding


def _told(finding: Finding) -> Iterator[str]:
    cause = f" · `{_code(finding.cause)}`" if finding.cause else ""
    yield f"#### {_SIGNS[finding.outcome]} {finding.id}: {plain(finding.title)}{cause}"
    yield ""
    yield plain(finding.says)
    yield ""
    if finding.remedy:
        yield f"**What to do:** {_coded(' '.join(finding.remedy.split()))}"
        yield ""


def _seen(finding: Finding) -> Iterator[str]:
    if not finding.cites:
        return
    yield "<details><summary>What was seen</summary>"
    yield ""
    for cite in finding.cites[:_CITES]:
        yield f"- {plain(cite.what)} — `{_code(cite.source)}`"
    if len(finding.cites) > _CITES:
        yield f"- and {len(finding.cites) - _CITES} more"
    yield ""
    yield "</details>"
    yield ""


def _quiet(report: Report) -> Iterator[str]:
    """What passed and what says nothing of the verdict, folded away."""
    for heading, found in quiet(report.checks):
        yield f"<details><summary>{heading}: {len(found)}</summary>"
        yield ""
        yield from _table(found)
        yield ""
        yield "</details>"
        yield ""


def _table(findings: Iterable[Finding]) -> Iterator[str]:
    yield "| check | says |"
    yield "|---|---|"
    for finding in findings:
        yield f"| {finding.id} | {plain(finding.says)} |"


def plain(text: str) -> str:
    """`text` that Markdown shows as it is, on one line, and that mentions nobody and no issue.

    GitHub looks for `@name` and `#1` in the text that it shows, whatever its source escapes: a
    space without width keeps them apart.
    """
    return _REFERENCE.sub(r"\1&#8203;", _SPECIAL.sub(r"\\\1", visible(text)))


def _coded(text: str) -> str:
    """`text` with its commands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(f"`{_code(p)}`" if n % 2 else plain(p) for n, p in enumerate(parts))


def _code(text: str) -> str:
    """For between backticks; no table has code, so a pipe stays one."""
    return visible(text).replace("`", "'")
