"""`lint` as text: where, what, the line itself with the place marked, why, and what to write."""

from collections.abc import Iterator

from distcheck.checks.manifest.report import At, LintFinding, LintReport, counted_levels
from distcheck.exporters.formats import Page
from distcheck.exporters.typography import Ink, columns, wrap

_COLOURS = {"error": "red", "warning": "yellow", "hint": "green"}
_MEASURE = 104
_MOST_NOTES = 12


def render_text(report: LintReport, page: Page, ink: Ink) -> str:
    """The findings, then what was not judged, then one line that counts."""
    lines: list[str] = []
    for finding in report.open:
        lines += [*_finding(finding, page, ink), ""]
    lines += _not_judged(report, ink)
    lines += _silenced(report, ink)
    lines += [_summary(report, ink)]
    return "\n".join(lines) + "\n"


def _finding(finding: LintFinding, page: Page, ink: Ink) -> Iterator[str]:
    width = min(page.width, _MEASURE)
    level = f"{finding.level}[{finding.id}]"
    first, *rest = wrap(f"{level}: {ink.clean(finding.says)}", width - 2)
    painted = ink.paint(level, "bold", _COLOURS[finding.level])
    yield f"{painted}{ink.paint(first.removeprefix(level), 'bold')}"
    yield from (f"  {ink.paint(line, 'bold')}" for line in rest)
    gutter = len(str(max([finding.at.line, *(a.line for a in finding.also)])))
    yield from _excerpt(finding.at, "-->", gutter, width, ink, _COLOURS[finding.level])
    for also in finding.also[:3]:
        yield from _excerpt(also, "...", gutter, width, ink, "dim")
    for label, text in (("not seen", finding.unseen), ("fix", finding.fix)):
        if text:
            yield from _note(label, text, gutter, width, ink)


def _excerpt(at: At, arrow: str, gutter: int, width: int, ink: Ink, colour: str) -> Iterator[str]:
    where = f"{at.file}:{at.line}:{at.column}" if at.line else at.file
    belongs = ink.paint(f" ({ink.clean(at.object)})", "dim") if at.object else ""
    yield f"{' ' * gutter}{ink.paint(arrow, 'dim')} {ink.clean(where)}{belongs}"
    if not at.source.strip():
        return
    text, column, length = _window(at, width - gutter - 3)
    bar = ink.paint("|", "dim")
    yield f"{ink.paint(str(at.line).rjust(gutter), 'dim')} {bar} {ink.clean(text)}"
    lead = columns(ink.clean(text[:column]))
    marks = "^" * max(columns(ink.clean(text[column : column + length])), 1)
    yield f"{' ' * gutter} {bar} {' ' * lead}{ink.paint(marks, colour)}"


def _window(at: At, room: int) -> tuple[str, int, int]:
    """The line, cut around the place where it is too long: text, start and length of the place."""
    text, column = at.source.replace("\t", " ").rstrip(), at.column - 1
    length = max(at.end_column - at.column, 1)
    if len(text) <= room:
        return text, column, min(length, max(len(text) - column, 1))
    start = max(min(column - room // 4, len(text) - room), 0)
    cut = text[start : start + room]
    return cut, column - start, min(length, max(len(cut) - (column - start), 1))


def _note(label: str, text: str, gutter: int, width: int, ink: Ink) -> Iterator[str]:
    lead = " " * gutter + f" = {label}: "
    lines = [line for part in text.split("\n") for line in wrap(ink.clean(part), width - len(lead))]
    yield " " * gutter + " " + ink.paint("=", "dim") + f" {ink.paint(label, 'bold')}: {lines[0]}"
    yield from (" " * len(lead) + line for line in lines[1:])


def _not_judged(report: LintReport, ink: Ink) -> Iterator[str]:
    worst_first = sorted(report.not_judged, key=lambda n: not n.unreadable)
    for one in worst_first[:_MOST_NOTES]:
        where = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
        word = ink.paint("unreadable", "red") if one.unreadable else ink.paint("note", "dim")
        yield f"{word}: {ink.clean(where)}: {ink.clean(one.says)}"
    if (more := len(worst_first) - _MOST_NOTES) > 0:
        yield f"note: and {more} more"
    if worst_first:
        yield ""


def _silenced(report: LintReport, ink: Ink) -> Iterator[str]:
    for one in report.findings:
        if one.silenced is not None:
            where = f"{one.at.file}:{one.at.line}"
            yield ink.clean(f"silenced: {one.id} at {where}: {one.silenced}")


def _summary(report: LintReport, ink: Ink) -> str:
    files = f"{report.files} file{'s' * (report.files != 1)}, {report.objects} objects"
    if not report.judged and not report.findings:
        return f"Nothing here that serves a model ({files})."
    counted = ", ".join(
        ink.paint(f"{n} {level}{'s' * (n != 1)}", _COLOURS[level])
        for level, n in counted_levels(report.open).items()
    )
    groups = f"{len(report.groups)} serving group{'s' * (len(report.groups) != 1)}"
    return f"{counted or ink.paint('No findings', 'green')} in {files}, {groups}."
