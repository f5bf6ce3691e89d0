"""What one finding counts for where only good, bad and skipped are known."""

from collections.abc import Iterator, Sequence
from typing import Literal

from distcheck.checks.findings import silenced
from distcheck.checks.report import Finding, Report
from distcheck.exporters.formats import Page

Counts = Literal["passed", "failed", "skipped"]


def counts(finding: Finding, page: Page) -> Counts:
    """As the exit code counts it: an unknown that leaves the verdict alone is skipped."""
    if finding.outcome == "fail" or (finding.outcome == "warn" and page.strict):
        return "failed"
    if finding.outcome == "unknown" and finding.core and page.unknown_fails:
        return "failed"
    return "skipped" if finding.outcome in ("unknown", "skipped") else "passed"


def why_skipped(finding: Finding) -> str:
    """The reason, and which of the two kinds it is."""
    if silenced([finding]):
        return finding.says
    if finding.outcome == "skipped":
        return f"does not apply: {finding.says}"
    return f"{'unknown' if finding.core else 'not decided'}: {finding.says}"


def quiet(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    """What passed and what says nothing of the verdict, by heading; what is empty is left out."""
    hushed = {f.id for f in silenced(findings)}
    parts: dict[str, list[Finding]] = {name: [] for name in _QUIET.values()}
    for one in findings:
        name = SILENCED if one.id in hushed else _QUIET.get(one.outcome)
        if name and not (one.outcome == "unknown" and one.core):
            parts[name].append(one)
    yield from ((name, found) for name, found in parts.items() if found)


SILENCED = "Silenced"
_QUIET = {"pass": "Passed", "unknown": "Not decided", "": SILENCED, "skipped": "Does not apply"}


def left_out(report: Report) -> str:
    """The checks that did not judge, and why; empty where all did."""
    return f"{', '.join(report.left_out)} (by --skip or --only)" if report.left_out else ""


def told(finding: Finding) -> str:
    """All of a finding in plain lines: says, cause, where, what was seen, what to do."""
    lines = [finding.says]
    if finding.cause:
        lines.append(f"cause: {finding.cause}")
    if finding.subjects:
        lines.append(f"where: {', '.join(finding.subjects)}")
    lines += [f"seen: {c.what} ({c.source})" for c in finding.cites]
    if finding.remedy:
        lines.append(f"do: {' '.join(finding.remedy.split())}")
    return "\n".join(lines)
