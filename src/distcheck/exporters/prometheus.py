"""The verdict in Prometheus's text format, as the textfile collector and a push gateway take it.

The same families as `distcheck serve` has. Label values escape backslash, quote and line feed.
"""

from collections.abc import Iterator, Sequence

from distcheck.checks.report import Report
from distcheck.checks.verdict import OUTCOMES
from distcheck.exporters.formats import Page
from distcheck.exporters.typography import visible

_VERDICTS = ("pass", "warn", "fail", "unknown")


def render(reports: Sequence[Report], _page: Page) -> str:
    """Both families, each with its help once."""
    return "".join(f"{line}\n" for line in (*_verdicts(reports), *_statuses(reports)))


def _verdicts(reports: Sequence[Report]) -> Iterator[str]:
    yield "# HELP distcheck_verdict 1 for the group's verdict"
    yield "# TYPE distcheck_verdict gauge"
    for report in reports:
        for word in _VERDICTS:
            labels = _labels(report, verdict=word)
            yield f"distcheck_verdict{labels} {int(report.verdict == word)}"


def _statuses(reports: Sequence[Report]) -> Iterator[str]:
    yield "# HELP distcheck_check_status 1 for the check's outcome"
    yield "# TYPE distcheck_check_status gauge"
    for report in reports:
        for finding in report.checks:
            for word in OUTCOMES:
                labels = _labels(report, check=finding.id, status=word)
                yield f"distcheck_check_status{labels} {int(finding.outcome == word)}"


def _labels(report: Report, **more: str) -> str:
    group = {"workload_namespace": report.target.namespace, "workload": report.target.name}
    return "{" + ",".join(f'{k}="{_escaped(v)}"' for k, v in (group | more).items()) + "}"


def _escaped(value: str) -> str:
    return visible(value).replace("\\", "\\\\").replace('"', '\\"')
