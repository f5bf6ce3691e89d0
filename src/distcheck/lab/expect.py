"""What a scenario expects, against what a report says."""

from distcheck.checks.report import Finding, Report
from distcheck.lab.scenario import Scenario


def compare(scenario: Scenario, report: Report) -> list[str]:
    """One line for each difference; none where the report is as expected."""
    expected = scenario.expect
    lines = []
    if report.verdict != expected.verdict:
        lines.append(f"verdict is {report.verdict}, expected {expected.verdict}")
    if expected.first and not report.summary.startswith(f"{expected.first}: "):
        lines.append(f"summary is {report.summary!r}, expected {expected.first} first")
    said = {f.id: f for f in report.checks}
    for check, want in expected.checks.items():
        if check not in said:
            lines.append(f"{check} was not judged, expected {want}")
        elif _short(said[check], want) != want:
            lines.append(f"{check} is {_short(said[check], want)}, expected {want}")
    for check, words in expected.says.items():
        told = said[check].says if check in said else "nothing"
        if words not in told:
            lines.append(f"{check} says {told!r}, expected {words!r} in it")
    return lines


def _short(finding: Finding, want: str) -> str:
    """`outcome cause` where the expectation names a cause, else the outcome."""
    return f"{finding.outcome} {finding.cause}" if " " in want else finding.outcome
