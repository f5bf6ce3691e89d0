"""What a GitHub Actions job shows and passes on, in the files that its runner names."""

import os
from collections.abc import Sequence

from distcheck.checks.report import Report
from distcheck.checks.verdict import worst
from distcheck.exporters.formats import Page, render


def tell_github(reports: Sequence[Report], page: Page) -> None:
    """Add the reports to the job's summary, and `verdict` to the step's outputs.

    Outside of a job, or where a file cannot be written, nothing happens: the annotations and
    the exit code say the same.
    """
    tell_summary(render("markdown", reports, page))
    _append("GITHUB_OUTPUT", f"verdict={worst([r.verdict for r in reports])}\n")


def tell_summary(text: str) -> None:
    """Add Markdown to the job's summary, as `tell_github` does."""
    _append("GITHUB_STEP_SUMMARY", text)


def _append(variable: str, text: str) -> None:
    path = os.environ.get(variable)
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123 - the runner's own file
            file.write(text)
    except OSError:
        return
