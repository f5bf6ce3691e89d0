"""The report as JSON (`distcheck.report/v1`)."""

from collections.abc import Sequence

import msgspec

from distcheck.checks.report import Report
from distcheck.exporters.formats import Page


def render_json(report: Report, *, indent: int = 2) -> str:
    """One JSON document and a newline; on one line where `indent` is 0."""
    data = msgspec.json.encode(report)
    return (msgspec.json.format(data, indent=indent) if indent else data).decode() + "\n"


def render(reports: Sequence[Report], _page: Page) -> str:
    """Indented for one report; one line each where several follow each other (JSON Lines)."""
    indent = 0 if len(reports) > 1 else 2
    return "".join(render_json(report, indent=indent) for report in reports)
