"""Where results go: `-o FORMAT[=FILE]`, and what standard output can show."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.options import refused
from distcheck.exporters.formats import FORMATS, Page, render
from distcheck.exporters.typography import Ink

if TYPE_CHECKING:
    from pathlib import Path

    from distcheck.checks.report import Report

_PAPER = Page()


class Output(Struct, frozen=True):
    """One rendering asked for; `path` None is standard output."""

    format: str
    path: "Path | None" = None


def outputs(given: list[str] | None, formats: Collection[str] = FORMATS) -> tuple[Output, ...]:
    """What `-o` asks for, of these formats; text on standard output where nothing does.

    Raises:
        Stop: an unknown format, a file that cannot be written, or two results for standard
            output (exit code 2).
    """
    wanted = tuple(_output(word, formats) for word in given or ("text",))
    _each_once(wanted)
    printed = [output.format for output in wanted if output.path is None]
    if len(printed) > 1:
        saved = next((name for name in printed if name != "text"), "text")
        raise usage(
            f"-o: {' and '.join(printed)} would both go to standard output:"
            f" give one of them a file, such as -o {saved}=FILE"
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
    raised: list[Exception] = []
    for output in wanted:
        page = stdout_page(unsized) if output.path is None else Page(unsized)
        try:
            text = show(output.format, page)
        except Exception as error:  # noqa: BLE001 - raised below: the other outputs come first
            raised.append(error)
            continue
        if output.path is None:
            say(text)
        else:
            failed += _saved(output.path, text)
    if raised:
        raise raised[0]
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
    width = _columns(unsized)
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Page(max(width, 40), _coloured(), encoding in ("utf8", "utf16", "utf32"))


def _columns(unsized: int) -> int:
    """As `shutil.get_terminal_size`, without all the archives that shutil can read."""
    told = os.environ.get("COLUMNS", "")
    if told.isascii() and told.isdigit() and int(told):
        return int(told)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or unsized  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return unsized


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


def _output(word: str, formats: Collection[str]) -> Output:
    name, has_file, file = word.partition("=")
    if name not in formats:
        raise refused("-o", name, tuple(formats))
    if has_file and not file:
        raise usage(f"-o: {word!r} names no file after =")
    if file in ("", "-"):
        return Output(name)
    from pathlib import Path  # noqa: PLC0415 - only for a file

    check_writable(Path(file))
    return Output(name, Path(file))


def _each_once(wanted: Iterable[Output]) -> None:
    """Refuse two results for one file.

    Raises:
        Stop: exit code 2.
    """
    taken: dict[str, str] = {}
    for one in wanted:
        real = os.path.realpath(one.path) if one.path else ""
        if one.path and real in taken and not (one.path.exists() and not one.path.is_file()):
            raise usage(f"-o: {taken[real]} and {one.format} would both be written to {one.path}")
        taken[real] = one.format


def keep(inputs: Iterable[str], wanted: Iterable[Output]) -> None:
    """Refuse a result that would take the place of an input.

    Raises:
        Stop: exit code 2.
    """
    places = {os.path.realpath(one.path): one for one in wanted if one.path}
    for name in inputs if places else ():
        if one := places.get(os.path.realpath(name)):
            raise usage(f"-o: {one.format} would be written over {name}, which is read")


def check_writable(path: "Path") -> None:
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


def _saved(path: "Path", text: str) -> list[str]:
    """Why the file could not be written, and is as it was; nothing where it was."""
    from distcheck.agent.replacing import put  # noqa: PLC0415 - only for a file

    try:
        put(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        return [f"{path} cannot be written: {error.strerror}"]
    return []
