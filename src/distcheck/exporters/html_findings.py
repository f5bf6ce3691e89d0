"""The findings of an HTML report: what is to be done in full, the rest folded."""

import re
from collections.abc import Callable, Iterator

from distcheck.checks.findings import by_cause
from distcheck.checks.report import Finding, Report
from distcheck.exporters.outcome import quiet as quiet_parts

Safe = Callable[[str], str]
_CITES = 8
_COMMAND = re.compile(r"`([^`]{1,400})`")
_LOUD = (("fail", "Failed"), ("unknown", "Unknown"), ("warn", "Warnings"))


def loud(report: Report, safe: Safe) -> Iterator[str]:
    """What is to be looked at, in full, in the order of causes."""
    ordered = by_cause(report.checks)
    for outcome, heading in _LOUD:
        found = [f for f in ordered if f.outcome == outcome and (f.core or outcome != "unknown")]
        if found:
            yield f"<h2>{heading}</h2>"
            yield from (_full(finding, safe) for finding in found)


def quiet(report: Report, safe: Safe) -> Iterator[str]:
    """The rest, as tables that fold."""
    ordered = by_cause(report.checks)
    for heading, found in quiet_parts(ordered):
        yield f"<details open><summary>{heading} <b>{len(found)}</b></summary>"
        yield f"<table>{''.join(_row(f, safe) for f in found)}</table></details>"


def _full(finding: Finding, safe: Safe) -> str:
    cause = f"<code>{safe(finding.cause)}</code>" if finding.cause else ""
    subjects = ", ".join(finding.subjects[:8])
    where = f'<p class="where">{safe(subjects)}</p>' if subjects else ""
    paragraphs = (" ".join(p.split()) for p in finding.remedy.split("\n\n"))
    remedy = "".join(f"<p>{_coded(safe(p))}</p>" for p in paragraphs if p)
    todo = f'<div class="do"><h4>What to do</h4>{remedy}</div>' if remedy else ""
    return (
        f'<article class="{finding.outcome}">'
        f"<h3><b>{safe(finding.id)}</b> {safe(finding.title)} {cause}</h3>"
        f"<p>{safe(finding.says)}</p>{where}{todo}{_seen(finding, safe)}</article>"
    )


def _coded(escaped: str) -> str:
    """Commands between backticks as code."""
    return _COMMAND.sub(r"<code>\1</code>", escaped)


def _seen(finding: Finding, safe: Safe) -> str:
    if not finding.cites:
        return ""
    shown = "".join(
        f"<li>{safe(c.what)}<br><code>{safe(c.source)}</code></li>" for c in finding.cites[:_CITES]
    )
    left = len(finding.cites) - _CITES
    more = f"<li>and {left} more</li>" if left > 0 else ""
    return f"<details><summary>What was seen</summary><ul>{shown}{more}</ul></details>"


def _row(finding: Finding, safe: Safe) -> str:
    return (
        f'<tr class="{finding.outcome}"><th>{safe(finding.id)}</th>'
        f"<td>{safe(finding.title)}<p>{safe(finding.says)}</p></td></tr>"
    )
