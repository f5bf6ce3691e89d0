"""`lint` as annotations of a GitHub Actions job, each at its line, and as the job's summary.

A step shows ten annotations of a level: what is more stands in the log as plain lines.
"""

from collections.abc import Iterator, Mapping

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.report import LintFinding, LintReport, NotJudged
from distcheck.exporters.github import PROPERTY, TEXT, escaped
from distcheck.exporters.lint_concise import finding_line, headline, unread_line, why_not
from distcheck.exporters.typography import no_command, visible

_LEVELS = {"error": "error", "warning": "warning", "hint": "notice"}
_MOST, _MOST_ROWS = 10, 500


def render_github(report: LintReport) -> str:
    """What should have been judged, then the findings, then what comments silence."""
    lines: list[str] = []
    for level, name in _LEVELS.items():
        own: list[LintFinding | NotJudged] = [f for f in report.open if f.level == level]
        lines += _annotations([*report.grave, *own] if level == "error" else own, name)
    for one in report.findings:
        if one.silenced is not None:
            lines.append(_plain(f"silenced: {_line(one)}: {one.silenced}"))
    return "".join(f"{line}\n" for line in lines)


def _annotations(found: list[LintFinding | NotJudged], name: str) -> Iterator[str]:
    room = _MOST if len(found) <= _MOST else _MOST - 1
    for one in found[:room]:
        yield _of_finding(one, name) if isinstance(one, LintFinding) else _of_unread(one)
    if left := found[room:]:
        told = {"title": "distcheck lint"}
        yield _command(name, told, f"{len(left)} more, all of them in the log of this step")
        yield from (_plain(f"- {_line(one)}") for one in left)


def _plain(line: str) -> str:
    return no_command(visible(line))


def _of_finding(one: LintFinding, name: str) -> str:
    at = one.at
    told: dict[str, object] = {"file": at.file}
    if at.line:
        told |= {"line": at.line, "endLine": at.line, "col": at.column, "endColumn": at.end_column}
    told["title"] = headline(one)
    unseen = f"Not seen: {one.unseen}" if one.unseen else ""
    return _command(name, told, "\n".join(t for t in (one.says, unseen, one.fix) if t))


def _of_unread(one: NotJudged) -> str:
    told = {"file": one.file, "line": max(one.line, 1), "title": why_not(one)}
    return _command("error", told, one.says)


def _line(one: LintFinding | NotJudged) -> str:
    return unread_line(one) if isinstance(one, NotJudged) else finding_line(one)


def render_summary(report: LintReport) -> str:
    """The findings as a Markdown table, for the summary of the job."""
    rows: list[tuple[str, ...]] = [
        (f.level, f.id, f"{f.at.file}:{f.at.line}", f.says) for f in report.open
    ]
    rows += [(why_not(n), n.rule, f"{n.file}:{n.line}", n.says) for n in report.grave]
    head = "### distcheck lint\n\n"
    if not rows:
        told = (
            counted(report.files, "file"),
            counted(report.objects, "object"),
            counted(len(report.groups), "serving group"),
        )
        silent = [f.level for f in report.findings if f.silenced is not None]
        nothing = "No open findings" if silent else "No findings"
        nothing = nothing if report.judged else "Nothing that serves a model"
        levels = ", ".join(counted(silent.count(v), v) for v in _LEVELS if v in silent)
        also = f" Silenced: {levels}." if silent else ""
        return f"{head}{nothing} in {', '.join(told)}.{also}\n"
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows[:_MOST_ROWS]]
    more = f"\nAnd {len(rows) - _MOST_ROWS} more.\n" if len(rows) > _MOST_ROWS else ""
    table = "\n".join(["| level | rule | place | what |", "|---|---|---|---|", *lines])
    return f"{head}{table}\n{more}"


def _cell(text: str) -> str:
    plain = visible(text)[:500].replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "|`*_[]\\" else c for c in plain)


def _command(level: str, told: Mapping[str, object], text: str) -> str:
    properties = ",".join(f"{k}={escaped(visible(str(v)), PROPERTY)}" for k, v in told.items())
    said = "\n".join(visible(line) for line in text.split("\n"))
    return f"::{level} {properties}::{escaped(said, TEXT)}"
