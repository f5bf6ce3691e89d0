"""CTRF, the Common Test Report Format (ctrf.io, schema 0.0.0): one document for all reports."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from distcheck.checks.report import Finding, Report
from distcheck.exporters.formats import Page
from distcheck.exporters.outcome import counts, told, why_skipped

_STATES = ("passed", "failed", "pending", "skipped", "other")


def render(reports: Sequence[Report], page: Page) -> str:
    """The document and a newline."""
    tests = [_test(report, finding, page) for report in reports for finding in report.checks]
    tally = Counter(test["status"] for test in tests)
    moments = [_milliseconds(r.observed_at) for r in reports]
    results: dict[str, Any] = {
        "tool": {"name": "distcheck", "version": reports[0].distcheck_version if reports else ""},
        "summary": {
            "tests": len(tests),
            **{state: tally[state] for state in _STATES},
            "start": min(moments, default=0),
            "stop": max(moments, default=0),
        },
        "tests": tests,
    }
    if others := {r.target.full_name: r.left_out for r in reports if r.left_out}:
        results["extra"] = {"left_out": others}
    whole = {"reportFormat": "CTRF", "specVersion": "0.0.0", "results": results}
    return json.dumps(whole, indent=2) + "\n"


def _test(report: Report, finding: Finding, page: Page) -> dict[str, Any]:
    status = counts(finding, page)
    message = why_skipped(finding) if status == "skipped" else finding.says
    if finding.outcome == "warn" and status == "passed":
        message = f"warning: {message}"
    test: dict[str, Any] = {
        "name": f"{finding.id} {finding.title}",
        "status": status,
        "duration": 0,
        "rawStatus": finding.outcome,
        "suite": [report.target.full_name],
        "message": message,
        "tags": [finding.id, "core" if finding.core else "supporting"],
    }
    if status == "failed":
        test["trace"] = told(finding)
    return test


def _milliseconds(moment: str) -> int:
    try:
        return int(datetime.fromisoformat(moment).timestamp() * 1000)
    except ValueError:
        return 0
