"""`lint` as annotations of a GitHub Actions job, each at its line."""

from collections.abc import Mapping

from distcheck.checks.manifest.report import LintReport
from distcheck.exporters.github import PROPERTY, TEXT, escaped
from distcheck.exporters.typography import visible

_LEVELS = {"error": "error", "warning": "warning", "hint": "notice"}


def render_github(report: LintReport) -> str:
    """One line a finding, then what could not be read."""
    lines = []
    for one in report.open:
        at = one.at
        told = {
            "file": at.file, "line": at.line, "endLine": at.line, "col": at.column,
            "endColumn": at.end_column, "title": f"{one.id} {one.title}",
        }  # fmt: skip
        lines.append(_command(_LEVELS[one.level], told, f"{one.says}\n{one.fix}".strip()))
    for bad in report.not_judged:
        if bad.unreadable:
            told = {"file": bad.file, "line": max(bad.line, 1), "title": "not readable"}
            lines.append(_command("error", told, bad.says))
    return "".join(f"{line}\n" for line in lines)


def _command(level: str, told: Mapping[str, object], text: str) -> str:
    properties = ",".join(f"{k}={escaped(visible(str(v)), PROPERTY)}" for k, v in told.items())
    said = "\n".join(visible(line) for line in text.split("\n"))
    return f"::{level} {properties}::{escaped(said, TEXT)}"
