"""The formats of `-o`: one row each. A renderer is imported when it is asked for."""

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from distcheck.checks.report import Report


class Page(Struct, frozen=True):
    """What the reader can show: columns, colour, symbols beyond ASCII.

    `strict` and `unknown_fails` are what the exit code makes of a warning and of an unknown
    verdict: formats that know only good and bad say the same.
    """

    width: int = 80
    colour: bool = False
    unicode: bool = True
    strict: bool = False
    unknown_fails: bool = False


Renderer = Callable[["Sequence[Report]", Page], str]

FORMATS: dict[str, str] = {
    "text": "distcheck.exporters.text",
    "json": "distcheck.exporters.json",
    "html": "distcheck.exporters.html",
    "junit": "distcheck.exporters.junit",
    "markdown": "distcheck.exporters.markdown",
    "github": "distcheck.exporters.github",
    "nagios": "distcheck.exporters.nagios",
    "ctrf": "distcheck.exporters.ctrf",
    "prometheus": "distcheck.exporters.prometheus",
}


_FOR_PEOPLE = ("text", "html", "markdown")


def render(name: str, reports: "Sequence[Report]", page: Page) -> str:
    """`reports`, in order, in the format `name`, which must be one of `FORMATS`.

    People read a GPU's number and node, machines its UUID.
    """
    if name in _FOR_PEOPLE:
        from distcheck.exporters.gpu_names import with_gpu_names  # noqa: PLC0415 - see above

        reports = [with_gpu_names(report) for report in reports]
    renderer: Renderer = importlib.import_module(FORMATS[name]).render
    return renderer(reports, page)
