"""The formats of `-o`: one row each. A renderer is imported when it is asked for."""

import importlib
from collections.abc import Callable

from msgspec import Struct

from distcheck.checks.report import Report


class Page(Struct, frozen=True):
    """What the reader can show: columns, colour, symbols beyond ASCII, several reports in a row."""

    width: int = 80
    colour: bool = False
    unicode: bool = True
    several: bool = False


Renderer = Callable[[Report, Page], str]

FORMATS: dict[str, str] = {
    "text": "distcheck.exporters.text",
    "json": "distcheck.exporters.json",
}


def render(name: str, report: Report, page: Page) -> str:
    """`report` in the format `name`, which must be one of `FORMATS`."""
    renderer: Renderer = importlib.import_module(FORMATS[name]).render
    return renderer(report, page)
