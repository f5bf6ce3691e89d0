"""Annotations of a GitHub Actions job: one line a finding that is to be looked at.

The form is that of the runner's workflow commands: `::error title=T::text`, with percent,
carriage return and line feed escaped, and in properties comma and colon too.
"""

from collections.abc import Iterator, Sequence

from distcheck.checks.report import Finding, Report, by_cause
from distcheck.exporters.formats import Page
from distcheck.exporters.outcome import counts
from distcheck.exporters.typography import visible

_TEXT = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))
_PROPERTY = (*_TEXT, (":", "%3A"), (",", "%2C"))


def render(reports: Sequence[Report], page: Page) -> str:
    """The annotations, then a line with each verdict."""
    return "".join(f"{line}\n" for report in reports for line in _lines(report, page))


def _lines(report: Report, page: Page) -> Iterator[str]:
    for finding in by_cause(report.checks):
        level = _level(finding, page)
        if level is not None:
            yield _command(level, _titled(finding), _told(finding))
    target = report.target
    yield visible(f"distcheck {target.full_name}: {report.verdict}: {report.summary}")


def _level(finding: Finding, page: Page) -> str | None:
    if counts(finding, page) == "failed":
        return "error"
    if finding.outcome == "warn" or (finding.outcome == "unknown" and finding.core):
        return "warning"
    return None


def _titled(finding: Finding) -> str:
    """What is wrong: a check's own title is the good state."""
    undecided = "not decided" if finding.outcome == "unknown" else finding.title
    return f"{finding.id} {finding.cause or undecided}"


def _told(finding: Finding) -> str:
    said = visible(finding.says)
    return f"{said}\n{visible(' '.join(finding.remedy.split()))}" if finding.remedy else said


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_escaped(visible(title), _PROPERTY)}::{_escaped(text, _TEXT)}"


def _escaped(text: str, pairs: Sequence[tuple[str, str]]) -> str:
    for char, code in pairs:
        text = text.replace(char, code)
    return text
