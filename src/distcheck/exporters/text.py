"""The report for people: the verdict first, then what is wrong, then the rest."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from distcheck.checks.findings import by_cause, silenced
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.report import Finding, Report
from distcheck.exporters.formats import Page
from distcheck.exporters.outcome import left_out
from distcheck.exporters.text_finding import Sheet, brief, detail, reasons
from distcheck.exporters.typography import Ink, listed, no_command, wrap

_ENGINES = {
    "vllm": "vLLM",
    "nim": "NIM",
    "triton-trtllm": "Triton with TensorRT-LLM",
    "sglang": "SGLang",
    "unknown": "engine not known",
}
_BADGE = {"fail": "red", "unknown": "yellow", "warn": "yellow", "pass": "green"}


class _Section(Struct, frozen=True):
    heading: str
    holds: Callable[[Finding], bool]
    show: Callable[[Sheet, list[Finding]], Iterator[str]]


_SECTIONS = (
    _Section("Failed", lambda f: f.outcome == "fail", detail),
    _Section("Unknown", lambda f: f.outcome == "unknown" and f.core, detail),
    _Section("Warnings", lambda f: f.outcome == "warn", detail),
    _Section("Passed", lambda f: f.outcome == "pass", brief),
    _Section("Not decided", lambda f: f.outcome == "unknown" and not f.core, reasons),
    _Section("Silenced", lambda f: bool(silenced([f])), reasons),
    _Section("Does not apply", lambda f: f.outcome == "skipped" and not silenced([f]), reasons),
)


def render_text(
    report: Report, width: int = 80, colour: bool = False, *, unicode: bool = True
) -> str:
    """The report in at most `width` columns; only a word longer than a line goes beyond."""
    sheet = Sheet(width, Ink(colour, unicode), 6 + max([8, *(len(f.id) for f in report.checks)]))
    parts = [_headline(report, sheet), _about(report, sheet), *_sections(report, sheet)]
    parts.append(_footer(report, sheet))
    return "\n" + "\n\n".join("\n".join(map(no_command, p)) for p in parts if p) + "\n\n"


def render(reports: Sequence[Report], page: Page) -> str:
    """The reports on `page`, one after the other."""
    return "".join(
        render_text(report, page.width, page.colour, unicode=page.unicode) for report in reports
    )


def _headline(report: Report, sheet: Sheet) -> list[str]:
    badge = f" {report.verdict.upper()} "
    painted = sheet.ink.paint(badge, "bold", "reverse", _BADGE.get(report.verdict, "yellow"))
    lines = wrap(sheet.ink.clean(report.summary), sheet.measure - sheet.edge)
    first, *rest = [sheet.ink.paint(line, "bold") for line in lines]
    return [f" {painted}{' ' * (sheet.edge - 1 - len(badge))}{first}", *sheet.hang(rest)]


def _about(report: Report, sheet: Sheet) -> list[str]:
    rows = [("group", _group(report)), ("intent", _intent(report, sheet))]
    if report.target.chosen:
        rows.append(("chosen", report.target.chosen))
    rows += [("note", note) for note in report.notes]
    if report.left_out:
        rows.append(("left out", left_out(report)))
    return [line for label, text in rows for line in sheet.row(label, text, indent=2)]


def _group(report: Report) -> str:
    target, pods = report.target, report.target.pods
    if not target.namespace:
        return f"{target.kind} {target.name}"
    nodes = list(dict.fromkeys(p.node for p in pods if p.node))
    where = f" on {listed(nodes[:8])}" if nodes else ""
    more = f" and {len(nodes) - 8} more nodes" if len(nodes) > 8 else ""
    size = f"{counted(len(pods), 'pod')}, {counted(sum(p.gpus for p in pods), 'GPU')}"
    return f"{target.kind} {target.name} in {target.namespace}: {size}{where}{more}"


def _intent(report: Report, sheet: Sheet) -> str:
    intent = report.intent
    copies = None if intent.dp == 1 else intent.dp
    degrees = [("TP", intent.tp), ("PP", intent.pp), ("DP", copies)]
    known = [f"{name} {value}" for name, value in degrees if value is not None]
    layout = f" {sheet.ink.symbol('times')} ".join(known) or "parallelism not known"
    ranks = f" = {counted(intent.world_size, 'rank')}" if intent.world_size and known else ""
    if ranks and copies:
        ranks = f", {counted(intent.world_size or 0, 'rank')} in each of {copies} copies"
    if report.target.kind == "ray":
        return _expected(report)
    return ", ".join(filter(None, (_ENGINES[intent.engine], intent.model, layout + ranks)))


def _expected(report: Report) -> str:
    """What `distcheck ray --expect` asks for: it knows of no engine."""
    intent = report.intent
    asked = (("node", intent.nodes), ("GPU", intent.gpus), ("rank", intent.ranks))
    return ", ".join(counted(n, what) for what, n in asked if n) or "nothing is expected (--expect)"


def _sections(report: Report, sheet: Sheet) -> Iterable[list[str]]:
    for section in _SECTIONS:
        found = [f for f in by_cause(report.checks) if section.holds(f)]
        if found:
            heading = "  " + sheet.ink.paint(section.heading, "bold")
            yield [heading, *section.show(sheet, found)]


def _footer(report: Report, sheet: Sheet) -> list[str]:
    wrong = next((f for f in by_cause(report.checks) if f.outcome in ("fail", "warn")), None)
    text = f"Observed {report.observed_at}, distcheck {report.distcheck_version}."
    if wrong is not None:
        text += f" `distcheck explain {wrong.id}` tells what this check proves."
    lines = wrap(sheet.ink.clean(text), sheet.measure - 2)
    return ["  " + sheet.ink.paint(line, "dim") for line in lines]
