"""Markdown for a comment or a job's summary: the verdict, then what is to be done."""

import re
from collections.abc import Iterable, Iterator, Sequence

from distcheck.checks.report import Finding, Report, by_cause
from distcheck.exporters.formats import Page
from distcheck.exporters.typography import visible

_SIGNS = {"pass": "✅", "warn": "⚠️", "fail": "❌", "unknown": "❔", "skipped": "➖"}  # noqa: RUF001
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~!&])")
_CITES = 5
_HIDDEN = {"pass": "Passed", "unknown": "Not decided", "skipped": "Does not apply"}


def render(reports: Sequence[Report], _page: Page) -> str:
    """A section for each report."""
    return "\n".join(_section(report) for report in reports)


def _section(report: Report) -> str:
    target = report.target
    name = plain(target.full_name)
    lines = [
        f"### {_SIGNS[report.verdict]} distcheck: {name} {_verdict(report)}",
        "",
        plain(report.summary),
        "",
        *(f"- {plain(note)}" for note in report.notes),
        *_loud(report),
        *_quiet(report),
        f"<sub>{plain(_footer(report))}</sub>",
        "",
    ]
    return "\n".join(lines)


def _footer(report: Report) -> str:
    return f"Observed {report.observed_at}, distcheck {report.distcheck_version}."


def _verdict(report: Report) -> str:
    words = {"pass": "passes", "warn": "passes, with warnings", "fail": "fails"}
    return words.get(report.verdict, "is undecided")


def _loud(report: Report) -> Iterator[str]:
    """What fails, then what is unknown and counts, then what warns: each in full."""
    for outcome in ("fail", "unknown", "warn"):
        for finding in by_cause(report.checks):
            if finding.outcome == outcome and (finding.core or outcome != "unknown"):
                yield from _full(finding)


def _full(finding: Finding) -> Iterator[str]:
    cause = f" · `{_code(finding.cause)}`" if finding.cause else ""
    yield f"#### {_SIGNS[finding.outcome]} {finding.id}: {plain(finding.title)}{cause}"
    yield ""
    yield plain(finding.says)
    yield ""
    if finding.remedy:
        yield f"**What to do:** {_coded(' '.join(finding.remedy.split()))}"
        yield ""
    yield from _seen(finding)


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
    for outcome, heading in _HIDDEN.items():
        found = [f for f in report.checks if f.outcome == outcome]
        found = [f for f in found if not (outcome == "unknown" and f.core)]
        if found:
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
    """`text` that Markdown shows as it is, on one line, and that mentions nobody."""
    return _SPECIAL.sub(r"\\\1", visible(text)).replace("@", "&#64;")


def _coded(text: str) -> str:
    """`text` with its commands between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return plain(text)
    return "".join(f"`{_code(p)}`" if n % 2 else plain(p) for n, p in enumerate(parts))


def _code(text: str) -> str:
    return visible(text).replace("`", "'").replace("|", "/")
