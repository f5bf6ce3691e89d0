"""What logs prove, in about ten lines of text: the verdict, why, then who talks over what."""

from collections.abc import Iterable, Iterator

from distcheck.checks.logs_report import LogsReport
from distcheck.exporters.logs_files import ENDLESS, Names, file_lines
from distcheck.exporters.logs_rows import (
    doubtful,
    engine,
    failures,
    network,
    ranks,
)
from distcheck.exporters.logs_traffic import traffic
from distcheck.exporters.text_finding import MEASURE, Sheet
from distcheck.exporters.typography import Ink, columns, wrap

_EDGE = 12
_BADGE = {"fail": "red", "unknown": "yellow", "warn": "yellow", "pass": "green"}


class _Paper(Sheet, frozen=True):
    """A sheet that may have no right edge."""

    @property
    def measure(self) -> int:
        return self.width if self.width >= ENDLESS else min(self.width, MEASURE)


def render_text(obj: LogsReport, width: int = 80, ink: Ink | None = None) -> str:
    """The report of the whole group, then one line for each of several files.

    From a width of `ENDLESS` on each thing is one whole line, and the first is the headline.
    """
    sheet = _Paper(width, ink or Ink(), _EDGE)
    names = Names(obj)
    lines = [*_headline(obj, sheet), *_why(obj, sheet, names), ""]
    for label, text in _rows(obj, names):
        lines += sheet.row(label, text, indent=2)
    page = "\n".join([*lines, *file_lines(obj, sheet, names)])
    return f"{page}\n" if width >= ENDLESS else f"\n{page}\n\n"


def _headline(obj: LogsReport, sheet: Sheet) -> list[str]:
    badge = f" {obj.status.upper()} "
    painted = sheet.ink.paint(badge, "bold", "reverse", _BADGE.get(obj.status, "yellow"))
    first, *rest = wrap(sheet.ink.clean(obj.headline), sheet.measure - sheet.edge)
    lines = [sheet.ink.paint(line, "bold") for line in rest]
    room = " " * (sheet.edge - 1 - len(badge))
    return [f" {painted}{room}{sheet.ink.paint(first, 'bold')}", *sheet.hang(lines)]


def _why(obj: LogsReport, sheet: Sheet, names: Names) -> Iterator[str]:
    """The lines that the verdict rests on, and what to do."""
    found, remedy = failures(obj)
    for number, (words, source) in enumerate(found):
        yield from _cited(sheet, "" if number else "why", words, names.cited(source))
    if remedy:
        yield from sheet.row("do", remedy, indent=2)


def _cited(sheet: Sheet, label: str, words: str, source: str) -> Iterator[str]:
    """Words, and beside or below them the line where they stand."""
    shown, where = sheet.ink.clean(words), sheet.ink.clean(source)
    lines = wrap(shown, sheet.measure - sheet.edge)
    beside = sheet.edge + columns(lines[-1]) + 3 + columns(where) <= sheet.width
    tail = sheet.ink.paint(where, "dim")
    lines = [*lines[:-1], f"{lines[-1]}   {tail}"] if beside else [*lines, f"  {tail}"]
    yield sheet.label(label, 2) + lines[0]
    yield from sheet.hang(lines[1:])


def _rows(obj: LogsReport, names: Names) -> Iterator[tuple[str, str]]:
    part = obj.nccl
    if part.lines:
        told = traffic(part.pairs, part.odd, part.inter_node_transports, part.gdr_by_size)
        yield from _labelled("traffic", told)
        yield from ranks(part)
        yield "network", network(part)
    yield from engine(obj)
    yield from doubtful(obj.vllm)
    noise = [f"{f.id} ({f.count} lines)" for f in part.failures if not f.fatal]
    if noise:
        yield "not fatal", ", ".join(noise[:6])
    jobs = names.jobs(obj)
    yield from _labelled("note", [*([jobs] if jobs else []), *part.notes])
    yield "read", names.what_was_read(obj)
    for skipped in obj.skipped[:4]:
        yield "not read", skipped
    if len(obj.skipped) > 4:
        yield "", f"and {len(obj.skipped) - 4} more (-o json has all)"


def _labelled(label: str, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Texts below each other, the first beside the label."""
    for number, text in enumerate(texts):
        yield "" if number else label, text
