"""`distcheck logs`: what NCCL and engine logs prove, on their own."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, argument
from distcheck.agent.cli.output import ink, keep, outputs, show_on
from distcheck.agent.cli.progress import Progress
from distcheck.agent.logs.describe import report
from distcheck.agent.logs.files import STDIN, STOPPED
from distcheck.agent.logs.folders import log_files
from distcheck.agent.logs.stopping import Stopping, Told
from distcheck.checks.logs_report import LogsReport
from distcheck.exporters.formats import Page
from distcheck.exporters.json_text import json_text
from distcheck.exporters.logs_files import ENDLESS
from distcheck.exporters.logs_text import render_text

Files = Annotated[
    list[str], argument("Log files, .gz too, or folders of them; - is standard input.", "FILE...")
]

_CODES = {"pass": codes.PASS, "warn": codes.PASS, "fail": codes.FAIL}
_UNKNOWN = {None: codes.UNKNOWN, "fail": codes.FAIL, "pass": codes.PASS}
_PATIENCE = 1.0
_PERIOD = 0.2


def logs(
    files: Files,
    *,
    output: opt.Output = None,
    inconclusive: opt.Inconclusive = None,
    strict: opt.Strict = False,
    quiet: opt.Quiet = False,
) -> int:
    """What NCCL and engine logs prove, on their own: one group's files, in any order.

    Exit 0 for RDMA, NVLink or one node; 1 for sockets or a failure; 3 where they do not show
    it; 2 for a file that cannot be read to its end. With --strict a warning is 1, and a pass on
    a part of the ranks, or on several jobs at once, is 3. A folder is read with all below it.
    Of a log that does not end (kubectl logs -f), Ctrl-C or SIGTERM gives the report so far.
    """
    wanted = outputs(output)
    unknown = _UNKNOWN[opt.one_of("--inconclusive", inconclusive, ("fail", "pass"))]
    named, skipped = _named(files)
    keep(named, wanted)
    with Progress(quiet=quiet) as progress:
        if STDIN in named and sys.stdin is not None and sys.stdin.isatty():
            progress("reading standard input; Ctrl-D or Ctrl-C ends it")
        told = _read(named, skipped, _telling(progress))
    show_on(wanted, lambda name, page: _show(told, name, page), unsized=ENDLESS)
    return _code(told, unknown, strict=strict)


def _named(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files to read, each once, and what a folder holds beside them."""
    found: dict[str, None] = {}
    skipped: list[str] = []
    for file in files:
        if file == STDIN and STDIN in found:
            raise codes.usage("logs: - is given twice: standard input can be read once")
        held, others = _held(file)
        skipped += [f"{path}: named twice, read once" for path in held if path in found]
        skipped += [f"{file}: {other}" for other in others]
        found |= dict.fromkeys(held)
    return list(found), skipped


def _held(file: str) -> tuple[Sequence[str], Sequence[str]]:
    """The file itself, or the log files of a folder; they must be there."""
    if file == STDIN:
        return [file], ()
    if not file:
        raise codes.usage("logs: '' names no file")
    try:
        Path(file).stat()
        if not Path(file).is_dir():
            return [file], ()
        folder = log_files(file)
    except (OSError, ValueError) as error:
        raise codes.usage(f"logs: {file}: {_words(error)}") from error
    if not folder.files:
        raise codes.usage(f"logs: the folder {file} holds no log file (*.log, *.log.gz, *.out)")
    return folder.files, folder.skipped


def _read(files: Sequence[str], skipped: Sequence[str], told: Told) -> LogsReport:
    try:
        with Stopping() as stopping:
            return report(files, skipped=skipped, stopping=stopping, told=told)
    except OSError as error:
        raise codes.usage(f"logs: {error.filename}: {_words(error)}") from error


def _words(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _telling(progress: Progress) -> Told:
    """What is read, a few times a second, once it takes longer than a moment."""
    due = time.monotonic() + _PATIENCE

    def told(name: str, count: int) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _PERIOD
            progress(f"{name}: {count >> 20} MiB read; Ctrl-C ends the reading and reports")

    return told


def _show(told: LogsReport, name: str, page: Page) -> str:
    if name == "json":
        return json_text(told)
    return render_text(told, page.width, ink(page))


def _code(told: LogsReport, unknown: int, *, strict: bool) -> int:
    """The verdict's code; a damaged file is an input error, unless what was read fails."""
    if told.status == "fail" or (told.status == "warn" and strict):
        return codes.FAIL
    if told.cut not in (None, STOPPED):
        sys.stderr.write(f"distcheck: logs: {told.cut}\n")
        return codes.USAGE
    if told.cut == STOPPED and told.skipped and told.status in ("pass", "warn"):
        sys.stderr.write("distcheck: logs: not all files were read\n")
        return unknown
    lacks = _lacks(told) if strict and told.status == "pass" else ""
    if lacks:
        sys.stderr.write(f"distcheck: logs: {lacks}; with --strict that is unknown\n")
        return unknown
    return _CODES.get(told.status, unknown)


def _lacks(told: LogsReport) -> str:
    """What keeps a pass from being one of all ranks of one job."""
    world = told.nccl.largest
    if told.jobs:
        return f"the files are of {len(told.jobs)} jobs"
    if world is None or not world.unseen:
        return ""
    return f"{world.ranks_seen} of {world.nranks} ranks are seen"


PROGRAM = Program(logs)
