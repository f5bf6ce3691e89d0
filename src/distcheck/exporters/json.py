"""The report as JSON (`distcheck.report/v1`)."""

import msgspec

from distcheck.checks.report import Report
from distcheck.exporters.formats import Page


def render_json(report: Report, *, indent: int = 2) -> str:
    """One JSON document and a newline; on one line where `indent` is 0."""
    data = msgspec.json.encode(report)
    return (msgspec.json.format(data, indent=indent) if indent else data).decode() + "\n"


def render(report: Report, page: Page) -> str:
    """Indented for one report; one line each where several follow each other (JSON Lines)."""
    return render_json(report, indent=0 if page.several else 2)
