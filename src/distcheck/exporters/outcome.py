"""What one finding counts for where only good, bad and skipped are known."""

from typing import Literal

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
    if finding.outcome == "skipped":
        return f"does not apply: {finding.says}"
    return f"{'unknown' if finding.core else 'not decided'}: {finding.says}"


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
