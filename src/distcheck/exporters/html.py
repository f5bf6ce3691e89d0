"""A report as one HTML file: no network, no script; for a screen, a phone and a printer."""

import html
from collections.abc import Iterator, Sequence
from importlib import resources

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.report import Report
from distcheck.exporters.formats import Page
from distcheck.exporters.html_findings import loud, quiet
from distcheck.exporters.html_map import group_map, is_long
from distcheck.exporters.outcome import left_out
from distcheck.exporters.typography import listed, visible

_WORDS = {"pass": "Pass", "warn": "Pass, with warnings", "fail": "Fail", "unknown": "Unknown"}
_STYLE = "html.css"


def render(reports: Sequence[Report], _page: Page) -> str:
    """One document for all `reports`."""
    names = ", ".join(f"{r.target.namespace}/{r.target.name}" for r in reports[:3])
    style = resources.files(__package__).joinpath(_STYLE).read_text(encoding="utf-8")
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>distcheck: {safe(names)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
    )
    return head + "".join(_report(report) for report in reports) + "</body>\n</html>\n"


def safe(text: str) -> str:
    """`text` as HTML shows it, with nothing in it that does not print."""
    return html.escape(visible(text))


def _report(report: Report) -> str:
    picture, wrong = tuple(group_map(report, safe)), tuple(loud(report, safe))
    middle = (*wrong, *picture) if is_long(report) else (*picture, *wrong)
    parts = (*_header(report), *middle, *quiet(report, safe))
    footer = f"Observed {report.observed_at}, distcheck {report.distcheck_version}."
    body = "".join(f"{part}\n" for part in parts)
    return f"<main>\n{body}<footer>{safe(footer)}</footer>\n</main>\n"


def _header(report: Report) -> Iterator[str]:
    target = report.target
    yield f'<header class="{report.verdict}">'
    yield f'<p class="badge">{_WORDS.get(report.verdict, "Skipped")}</p>'
    yield f"<h1>{safe(target.namespace)}/{safe(target.name)}</h1>"
    yield f'<p class="summary">{safe(report.summary)}</p>'
    yield f"<dl>{''.join(_rows(report))}</dl>"
    yield "</header>"


def _rows(report: Report) -> Iterator[str]:
    rows = [("Group", _group(report)), ("Asked for", _intent(report))]
    rows += [("Chosen", report.target.chosen)] if report.target.chosen else []
    rows += [("Note", note) for note in report.notes]
    rows += [("Left out", left_out(report))] if report.left_out else []
    for name, text in rows:
        yield f"<dt>{name}</dt><dd>{safe(text)}</dd>"


def _group(report: Report) -> str:
    pods = report.target.pods
    nodes = list(dict.fromkeys(p.node for p in pods if p.node))
    where = f" on {listed(nodes[:8])}" if nodes else ""
    more = f" and {len(nodes) - 8} more nodes" if len(nodes) > 8 else ""
    size = f"{counted(len(pods), 'pod')}, {counted(sum(p.gpus for p in pods), 'GPU')}"
    return f"{report.target.kind}, {size}{where}{more}"


def _intent(report: Report) -> str:
    asked = report.intent
    degrees = (("TP", asked.tp), ("PP", asked.pp), ("DP", asked.dp))
    layout = " × ".join(f"{name} {size}" for name, size in degrees if size)  # noqa: RUF001
    return ", ".join(filter(None, (asked.engine, asked.model, layout)))
