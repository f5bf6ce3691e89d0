"""Annotations of a GitHub Actions job: one line a finding that is to be looked at.

The form is that of the runner's workflow commands: `::error title=T::text`, with percent,
carriage return and line feed escaped, and in properties comma and colon too. A step shows ten
annotations of a level and drops the rest without a word.
"""

from collections.abc import Iterator, Sequence

from distcheck.checks.findings import by_cause, silenced
from distcheck.checks.report import Finding, Report
from distcheck.exporters.formats import Page
from distcheck.exporters.outcome import counts
from distcheck.exporters.typography import shorten, visible

_MOST, _HEADLINE = 10, 90
TEXT = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
PROPERTY = (*TEXT, (":", "%3A"), (",", "%2C"))


def render(reports: Sequence[Report], page: Page) -> str:
    """The annotations, then a line with each verdict."""
    errors = list(_annotations(reports, page, "error"))
    warnings = list(_annotations(reports, page, "warning"))
    notices = list(_notices(reports))
    told = ((errors, "error"), (warnings, "warning"), (notices, "notice"))
    lines = [line for held, level in told for line in _bounded(held, level)]
    return "".join(f"{line}\n" for line in (*lines, *map(_verdict, reports)))


def _annotations(reports: Sequence[Report], page: Page, level: str) -> Iterator[str]:
    for report in reports:
        of = f"{report.target.full_name}: " if len(reports) > 1 else ""
        for finding in by_cause(report.checks):
            if _level(finding, page) == level:
                yield _command(level, of + _titled(finding), _told(finding))


def _notices(reports: Sequence[Report]) -> Iterator[str]:
    """What an annotation of the group's own objects keeps from being told."""
    for report in reports:
        of = f"{report.target.full_name}: " if len(reports) > 1 else ""
        for one in silenced(report.checks):
            yield _command("notice", f"{of}{one.id} silenced", visible(one.says))


def _bounded(lines: list[str], level: str) -> list[str]:
    if len(lines) <= _MOST:
        return lines
    left = len(lines) - (_MOST - 1)
    more = f"{left} findings more, all of them in the summary of this job"
    return [*lines[: _MOST - 1], _command(level, "distcheck", more)]


def _verdict(report: Report) -> str:
    target = report.target
    return visible(f"distcheck {target.full_name}: {report.verdict}: {report.summary}")


def _level(finding: Finding, page: Page) -> str | None:
    if counts(finding, page) == "failed":
        return "error"
    if finding.outcome == "warn" or (finding.outcome == "unknown" and finding.core):
        return "warning"
    return None


def _titled(finding: Finding) -> str:
    """What is wrong: a check's own title is the good state; rules for manifests have no causes."""
    undecided = finding.outcome == "unknown"
    wrong = "not decided" if undecided else shorten(finding.says, _HEADLINE, "...")
    return f"{finding.id} {finding.cause or wrong}"


def _told(finding: Finding) -> str:
    said = visible(finding.says)
    return f"{said}\n{visible(' '.join(finding.remedy.split()))}" if finding.remedy else said


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={escaped(visible(title), PROPERTY)}::{escaped(text, TEXT)}"


def escaped(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    """`text` with what the runner would take for its own written as codes."""
    for char, code in pairs:
        text = text.replace(char, code)
    return text
