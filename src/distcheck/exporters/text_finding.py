"""One finding as text: in full where something is to be done, on one line where not."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from distcheck.checks.evidence import Cite
from distcheck.checks.report import Finding
from distcheck.exporters.typography import Ink, columns, pad, wrap

MEASURE = 104
"""Prose wider than this is hard to read, however wide the terminal."""

_COLOURS = {"fail": "red", "unknown": "yellow", "warn": "yellow", "pass": "green", "skipped": "dim"}
_LONG_ID = re.compile(r"[0-9a-f]{40,}")
_CITES = 3
_SUBJECTS = 4


class Sheet(Struct, frozen=True):
    """The paper: its width, its ink, and the one column where all text begins."""

    width: int
    ink: Ink
    edge: int

    @property
    def measure(self) -> int:
        """Columns for prose, from the left margin of the page."""
        return min(self.width, MEASURE)

    def row(self, label: str, text: str, indent: int) -> list[str]:
        """`text` wrapped at the edge, beside a dim label."""
        lines = wrap(self.ink.clean(text), self.measure - self.edge)
        return [self.label(label, indent) + lines[0], *self.hang(lines[1:])]

    def label(self, label: str, indent: int) -> str:
        """A dim label from `indent` up to the edge."""
        return " " * indent + self.ink.paint(pad(label, self.edge - indent), "dim")

    def hang(self, lines: Iterable[str]) -> list[str]:
        """`lines`, each from the edge."""
        return [" " * self.edge + line for line in lines]

    def mark(self, finding: Finding) -> str:
        """The symbol and the id, up to the edge."""
        symbol = self.ink.symbol(finding.outcome)
        colour = _COLOURS[finding.outcome]
        return f"  {self.ink.paint(symbol, colour)} {pad(finding.id, self.edge - 4)}"


def detail(sheet: Sheet, findings: list[Finding]) -> Iterator[str]:
    """Each finding in full: says, cause, subjects, what was seen, what to do."""
    apart = any(f.cites or f.remedy for f in findings)
    for number, finding in enumerate(findings):
        if number and apart:
            yield ""
        yield from _title(sheet, finding)
        yield from sheet.hang(wrap(sheet.ink.clean(finding.says), sheet.measure - sheet.edge))
        if finding.cause:
            yield from sheet.row("cause", finding.cause, indent=4)
        if finding.subjects:
            yield from sheet.row("where", _few(finding.subjects), indent=4)
        yield from _seen(sheet, finding.cites)
        yield from _remedy(sheet, finding.remedy)


def reasons(sheet: Sheet, findings: list[Finding]) -> Iterator[str]:
    """What each says, whole: a reason that is cut is no reason."""
    for finding in findings:
        first, *rest = wrap(sheet.ink.clean(finding.says), sheet.measure - sheet.edge)
        yield sheet.mark(finding) + first
        yield from sheet.hang(rest)


def brief(sheet: Sheet, findings: list[Finding]) -> Iterator[str]:
    """What each says, whole; beside it, where there is room, the first thing that it rests on."""
    room = sheet.width - sheet.edge
    says = min(room, max(_wish(sheet, f) for f in findings))
    for finding in findings:
        first, *rest = wrap(sheet.ink.clean(finding.says), says)
        source = _source(sheet, finding.cites[0]) if finding.cites else ""
        if source and room - says - 3 >= columns(source):
            first = f"{pad(first, says)}   {sheet.ink.paint(source, 'dim')}"
        yield sheet.mark(finding) + first
        yield from sheet.hang(rest)


def _wish(sheet: Sheet, finding: Finding) -> int:
    """Columns that a pass wants for its sentence: all, or what prose has where it is wrapped."""
    return min(columns(sheet.ink.clean(finding.says)), sheet.measure - sheet.edge)


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SUBJECTS} more" if len(names) > _SUBJECTS else ""
    return ", ".join(names[:_SUBJECTS]) + more


def _title(sheet: Sheet, finding: Finding) -> Iterator[str]:
    lines = wrap(sheet.ink.clean(finding.title), sheet.measure - sheet.edge)
    first, *rest = [sheet.ink.paint(line, "bold") for line in lines]
    yield sheet.mark(finding) + first
    yield from sheet.hang(rest)


def _seen(sheet: Sheet, cites: tuple[Cite, ...]) -> Iterator[str]:
    shown = [(sheet.ink.clean(c.what), _source(sheet, c)) for c in cites[:_CITES]]
    if not shown:
        return
    first, *rest = _beside(sheet, shown) or _below(sheet, shown)
    yield sheet.label("seen", 4) + first
    yield from sheet.hang(rest)
    if len(cites) > _CITES:
        more = f"and {len(cites) - _CITES} more, all of them with -o json"
        yield from sheet.hang([sheet.ink.paint(more, "dim")])


def _source(sheet: Sheet, cite: Cite) -> str:
    """The source, its long random ids cut: `-o json` has them whole."""
    more = sheet.ink.symbol("more")
    return _LONG_ID.sub(lambda found: found[0][:6] + more, sheet.ink.clean(cite.source))


def _beside(sheet: Sheet, shown: list[tuple[str, str]]) -> list[str]:
    """What and source in two columns; nothing where they do not fit."""
    what = max(columns(w) for w, _ in shown)
    if sheet.edge + what + 3 + max(columns(s) for _, s in shown) > sheet.width:
        return []
    return [f"{pad(w, what)}   {sheet.ink.paint(s, 'dim')}" for w, s in shown]


def _below(sheet: Sheet, shown: list[tuple[str, str]]) -> list[str]:
    room = sheet.measure - sheet.edge
    lines = []
    for what, source in shown:
        lines += wrap(what, room)
        lines += ["  " + sheet.ink.paint(line, "dim") for line in wrap(source, room - 2)]
    return lines


def _remedy(sheet: Sheet, remedy: str) -> Iterator[str]:
    for number, paragraph in enumerate(filter(None, remedy.split("\n\n"))):
        yield from sheet.row("" if number else "do", paragraph, indent=4)
