"""Where results go: `-o FORMAT[=FILE]`, and what standard output can show."""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.options import refused
from distcheck.exporters.formats import FORMATS, Page, render
from distcheck.exporters.typography import Ink

if TYPE_CHECKING:
    from distcheck.checks.report import Report

_PAPER = Page()


class Output(Struct, frozen=True):
    """One rendering asked for; `path` None is standard output."""

    format: str
    path: Path | None = None


def outputs(given: list[str] | None) -> tuple[Output, ...]:
    """What `-o` asks for; text on standard output where nothing does.

    Raises:
        Stop: an unknown format, a file that cannot be written, or two results for standard
            output (exit code 2).
    """
    wanted = tuple(_output(word) for word in given or ("text",))
    printed = [output.format for output in wanted if output.path is None]
    if len(printed) > 1:
        raise usage(
            f"-o: {' and '.join(printed)} would both go to standard output:"
            f" give one of them a file, such as -o {printed[0]}=FILE"
        )
    return wanted


def write(reports: "Sequence[Report]", wanted: Iterable[Output], page: Page = _PAPER) -> None:
    """Render every report to every output; `page` says what warnings and unknown count for.

    Raises:
        Stop: a file that cannot be written (exit code 2); the others are written.
    """

    def show(name: str, paper: Page) -> str:
        told = structs.replace(paper, strict=page.strict, unknown_fails=page.unknown_fails)
        return render(name, reports, told)

    show_on(wanted, show)


def show_on(wanted: Iterable[Output], show: Callable[[str, Page], str], unsized: int = 80) -> None:
    """What `show` makes of each format, to its output; raises as `write` does.

    `unsized` is the width of a page that is no terminal, where COLUMNS says none.
    """
    failed: list[str] = []
    for output in wanted:
        if output.path is None:
            say(show(output.format, stdout_page(unsized)))
        else:
            failed += _saved(output.path, show(output.format, Page(unsized)))
    if failed:
        raise usage("; ".join(failed))


def say(text: str) -> None:
    """Text to standard output; what its encoding cannot show is escaped, not an error."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    sys.stdout.write(text)


def stdout_page(unsized: int = 80) -> Page:
    """Width, colour and symbols that standard output can show."""
    width = shutil.get_terminal_size((unsized, 24)).columns
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Page(max(width, 40), _coloured(), encoding in ("utf8", "utf16", "utf32"))


def ink(page: Page) -> Ink:
    """The ink that `page` can take."""
    return Ink(page.colour, page.unicode)


def _coloured() -> bool:
    """NO_COLOR wins over FORCE_COLOR; else colour is for terminals that are not dumb."""
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _output(word: str) -> Output:
    name, has_file, file = word.partition("=")
    if name not in FORMATS:
        raise refused("-o", name, tuple(FORMATS))
    if has_file and not file:
        raise usage(f"-o: {word!r} names no file after =")
    path = Path(file) if file not in ("", "-") else None
    if path is not None:
        check_writable(path)
    return Output(name, path)


def check_writable(path: Path) -> None:
    """Fail before the work, not after it.

    Raises:
        Stop: the file cannot be written (exit code 2).
    """
    if path.is_dir():
        raise usage(f"{path} cannot be written: it is a folder")
    where = path if path.exists() else path.parent
    if not where.exists():
        raise usage(f"{path} cannot be written: there is no folder {path.parent}")
    if not os.access(where, os.W_OK):
        raise usage(f"{path} cannot be written: permission denied")


def _saved(path: Path, text: str) -> list[str]:
    """Why the file could not be written; nothing where it was."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        return [f"{path} cannot be written: {error.strerror}"]
    return []
