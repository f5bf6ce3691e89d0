"""What `lint` found, in the format that was asked for."""

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from distcheck.agent.cli.output import Output, ink
from distcheck.checks.manifest.finding import Level
from distcheck.checks.manifest.report import LintReport
from distcheck.exporters.formats import Page

if TYPE_CHECKING:
    from distcheck.checks.manifest.rule import Rule

_MOST = 12


def show(
    report: LintReport, name: str, page: Page, *, failing: Level, chosen: "tuple[Rule, ...]",
    code: int | None, quiet: bool, diffed: bool,
) -> str:  # fmt: skip
    """The report as text; `failing` is the least grave level that fails, `chosen` the rules.

    `code` is the exit code where our own bugs decide it; `diffed`: what can be mended was shown.
    """
    if name == "json":
        from distcheck.exporters.json_text import json_text  # noqa: PLC0415 - one format

        return json_text(report)
    if name == "sarif":
        from distcheck.exporters.lint_sarif import render_sarif  # noqa: PLC0415 - one format

        return render_sarif(report, chosen, _here(), code)
    if name == "junit":
        from distcheck.exporters.lint_junit import render_junit  # noqa: PLC0415 - one format

        return render_junit(report, failing)
    if name == "github":
        from distcheck.agent.cli.github_files import tell_summary  # noqa: PLC0415 - one format
        from distcheck.exporters.lint_github import (  # noqa: PLC0415 - one format
            render_github,
            render_summary,
        )

        tell_summary(render_summary(report))
        return render_github(report)
    if name == "concise":
        from distcheck.exporters.lint_concise import render_concise  # noqa: PLC0415 - one format

        return render_concise(report)
    from distcheck.exporters.lint_text import render_text  # noqa: PLC0415 - one format

    return render_text(report, page, ink(page), quiet=quiet, diffed=diffed)


def tell_misspelt(report: LintReport, wanted: Iterable[Output], *, quiet: bool) -> None:
    """Comments that cannot silence, on standard error where no output has notes."""
    noting = ("json", "sarif") if quiet else ("text", "json", "sarif")
    if any(o.format in noting for o in wanted):
        return
    from distcheck.exporters.lint_concise import note_line  # noqa: PLC0415 - rarely needed

    lost = [f"distcheck: {note_line(n)}\n" for n in report.not_judged if n.misspelt]
    more = f"distcheck: and {len(lost) - _MOST} more\n" if len(lost) > _MOST else ""
    sys.stderr.write("".join(lost[:_MOST]) + more)


def _here() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - text is what it takes
    except OSError:
        return ""
