"""`lint` as text: where, what, the line itself with the place marked, why, and what to write.

By file and line, as compilers and other linters have it; errors among many findings are named again
at the end, where somebody looks first.
"""

from collections.abc import Iterable, Iterator, Sequence

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.finding import LEVELS
from distcheck.checks.manifest.report import (
    At,
    LintFinding,
    LintReport,
    NotJudged,
    counted_levels,
)
from distcheck.exporters.formats import Page
from distcheck.exporters.lint_excerpt import excerpt, where_of
from distcheck.exporters.typography import Ink, listed, no_command, shorten, wrap

_COLOURS = {"error": "red", "warning": "yellow", "hint": "green"}
_MEASURE = 104
_MOST_NOTES = 12
_MOST_PLACES = 6
_FEW = 3


def render_text(
    report: LintReport, page: Page, ink: Ink, *, quiet: bool = False, diffed: bool = False
) -> str:
    """The findings, then what was not judged, then what all this was and how much was found.

    `quiet` leaves findings, what should have been judged, and that there is nothing to judge.
    `diffed`: the diff of what can be mended was shown before.
    """
    lines: list[str] = []
    for finding, again in _told_once(report.open):
        lines += [*_finding(finding, page, ink), *_again(again, ink), ""]
    if not quiet:
        lines += [*_not_judged(report, ink), *_silenced(report, ink)]
        lines += [*_summary(report, ink, page.width), *_on(report, diffed=diffed)]
        return "".join(f"{no_command(line)}\n" for line in lines)
    lines += [_note_line(n, ink) for n in report.grave]
    if not lines and _is_nothing(report):
        lines = [*_summary(report, ink, page.width)]
    return "".join(f"{no_command(line)}\n" for line in lines)


def _told_once(findings: Iterable[LintFinding]) -> Iterator[tuple[LintFinding, list[At]]]:
    """Each finding; a hint that repeats word by word with the other places of it."""
    alike: dict[object, list[At]] = {}
    first: list[tuple[LintFinding, list[At]]] = []
    for one in findings:
        key = (one.id, one.says, one.unseen, one.fix) if one.level == "hint" else id(one)
        if key in alike:
            alike[key].append(one.at)
        else:
            first.append((one, alike.setdefault(key, [])))
    yield from first


def _again(places: Sequence[At], ink: Ink) -> Iterator[str]:
    for at in places[:_MOST_PLACES]:
        yield f"  also at {where_of(at, ink)}"
    if (more := len(places) - _MOST_PLACES) > 0:
        yield f"  and at {more} more"


def _finding(finding: LintFinding, page: Page, ink: Ink) -> Iterator[str]:
    width = min(page.width, _MEASURE)
    level = f"{finding.level}[{finding.id}]"
    first, *rest = wrap(f"{level}: {ink.clean(finding.says)}", width - 2)
    painted = ink.paint(level, "bold", _COLOURS[finding.level])
    yield f"{painted}{ink.paint(first.removeprefix(level), 'bold')}"
    yield from (f"  {ink.paint(line, 'bold')}" for line in rest)
    gutter = len(str(max([finding.at.line, *(a.line for a in finding.also)])))
    yield from excerpt(finding.at, "-->", gutter, width, ink, _COLOURS[finding.level])
    for also in finding.also[:3]:
        yield from excerpt(also, "...", gutter, width, ink, "dim")
    fix = f"{finding.fix} (--fix does it)" if finding.fixable else finding.fix
    for label, text in (("not seen", finding.unseen), ("fix", fix)):
        if text:
            yield from _note(label, text, gutter, width, ink)


def _note(label: str, text: str, gutter: int, width: int, ink: Ink) -> Iterator[str]:
    lead = " " * gutter + f" = {label}: "
    room = width - len(lead)
    lines = [line for part in text.split("\n") for line in wrap(ink.clean(part), room, code=True)]
    yield " " * gutter + " " + ink.paint("=", "dim") + f" {ink.paint(label, 'bold')}: {lines[0]}"
    yield from (" " * len(lead) + line for line in lines[1:])


def _not_judged(report: LintReport, ink: Ink) -> Iterator[str]:
    worst_first = sorted(report.not_judged, key=lambda n: (not n.bug, not n.unreadable))
    yield from (_note_line(one, ink) for one in worst_first[:_MOST_NOTES])
    if (more := len(worst_first) - _MOST_NOTES) > 0:
        yield f"note: and {more} more"
    if worst_first:
        yield ""


def _note_line(one: NotJudged, ink: Ink) -> str:
    where = f"{one.file}:{one.line}:{one.column}" if one.line else one.file
    grave = "not judged" if one.bug else "unreadable" if one.unreadable else ""
    word = ink.paint(grave, "red") if grave else ink.paint("note", "dim")
    return f"{word}: {ink.clean(where)}: {ink.clean(one.says)}"


def _silenced(report: LintReport, ink: Ink) -> Iterator[str]:
    for one in report.findings:
        if one.silenced is not None:
            where = f"{one.at.file}:{one.at.line}"
            yield ink.clean(f"silenced: {one.id} at {where}: {one.silenced}")
    if len(report.open) < len(report.findings):
        yield ""


def _summary(report: LintReport, ink: Ink, width: int) -> Iterator[str]:
    judged = f"{counted(report.files, 'file')}, {counted(report.objects, 'object')}"
    if _is_nothing(report):
        yield f"Nothing here that serves a model ({judged}).{_also(report, ink)}"
        return
    yield from (f"judged: {ink.clean(group)}" for group in report.groups[:_MOST_NOTES])
    if (more := len(report.groups) - _MOST_NOTES) > 0:
        yield f"judged: and {more} more"
    yield from _errors(report, ink, width)
    counts = {
        counted(n, level): _COLOURS[level] for level, n in counted_levels(report.open).items()
    }
    counts = counts or {"No findings": "yellow" if report.grave else "green"}
    groups = counted(len(report.groups), "serving group")
    told = f"{', '.join(counts)} in {judged}, {groups} by {counted(report.rules, 'rule')}."
    first, *rest = wrap(told, width)
    for count, colour in counts.items():
        first = first.replace(count, ink.paint(count, colour), 1)
    *before, last = first, *rest
    yield from before
    yield last + _also(report, ink)


def _errors(report: LintReport, ink: Ink, width: int) -> Iterator[str]:
    """The errors once more, where others stand below them and may have pushed them off the page."""
    errors = [f for f in report.open if f.level == "error"]
    if not errors or len(report.open) <= _FEW:
        return
    yield ""
    for one in errors[:_MOST_NOTES]:
        name, where = f"error[{one.id}]", f"{one.at.file}:{one.at.line}:{one.at.column}"
        line = ink.clean(f"{name} {where}: {one.says}")
        line = shorten(line, max(width, len(f"{name} {where}") + 30), ink.symbol("more"))
        yield f"{ink.paint(name, 'bold', _COLOURS['error'])}{line.removeprefix(name)}"
    if (more := len(errors) - _MOST_NOTES) > 0:
        yield f"and {more} more errors, told above"


def _is_nothing(report: LintReport) -> bool:
    return not report.judged and not report.findings and not report.bugs


def _on(report: LintReport, *, diffed: bool) -> Iterator[str]:
    """How to go on. What a chart or an overlay made is mended there, not in its output."""
    if fixable := sum(f.fixable and not f.at.origin for f in report.open):
        how = "as the diff shows" if diffed else "--diff shows how"
        yield f"--fix can mend {fixable} of them{',' if diffed else ';'} {how}."
    if gravest := min(report.open, key=lambda f: LEVELS.index(f.level), default=None):
        yield f"`distcheck explain {gravest.id}` tells why, with examples."


def _also(report: LintReport, ink: Ink) -> str:
    """What those numbers leave out."""
    silenced, bugs = len(report.findings) - len(report.open), len(report.bugs)
    unread, noted = len(report.grave) - bugs, len(report.not_judged) - len(report.grave)
    told = [
        ink.paint(f"{bugs} not judged", "red") if bugs else "",
        ink.paint(f"{unread} unreadable", "red") if unread else "",
        f"{silenced} silenced" if silenced else "",
        counted(noted, "note") if noted else "",
    ]
    return f" Also {listed([t for t in told if t])}." if any(told) else ""
