"""One line with perfdata, as Nagios, Icinga and Checkmk read it.

`SERVICE STATUS - text | label=value`: a pipe ends the text, so that the text may have none
(Monitoring Plugins Development Guidelines). Nagios reads 8 KiB and NRPE less, and perfdata comes
last: so the text is short.
"""

from collections.abc import Sequence

from distcheck.checks.findings import silenced
from distcheck.checks.report import Report
from distcheck.checks.verdict import OUTCOMES, worst
from distcheck.exporters.formats import Page
from distcheck.exporters.typography import shorten, visible

_GROUPS, _COLUMNS, _NAMED = 5, 160, 5
_STATUS = {"pass": "OK", "warn": "WARNING", "fail": "CRITICAL", "unknown": "UNKNOWN"}


def render(reports: Sequence[Report], page: Page) -> str:
    """One line for all reports: the worst verdict, and what it is about."""
    verdict = worst([r.verdict for r in reports])
    if (verdict == "warn" and page.strict) or (verdict == "unknown" and page.unknown_fails):
        verdict = "fail"
    ordered = sorted(reports, key=lambda r: r.verdict != verdict)
    said = [_told(r) for r in ordered[:_GROUPS]]
    said += [f"and {len(ordered) - _GROUPS} groups more"] if len(ordered) > _GROUPS else []
    text = "; ".join(said).replace("|", "/")
    return f"DISTCHECK {_STATUS.get(verdict, 'UNKNOWN')} - {text} | {_perfdata(reports)}\n"


def _told(report: Report) -> str:
    text = f"{report.target.full_name}: {report.summary}"
    hushed = [f.id for f in silenced(report.checks)]
    more = f" and {len(hushed) - _NAMED} more" if len(hushed) > _NAMED else ""
    by = f" (silenced: {', '.join(hushed[:_NAMED])}{more})" if hushed else ""
    return shorten(visible(text), _COLUMNS, "...") + by


def _perfdata(reports: Sequence[Report]) -> str:
    outcomes = [f.outcome for r in reports for f in r.checks]
    return " ".join(f"{name}={outcomes.count(name)}" for name in OUTCOMES)
