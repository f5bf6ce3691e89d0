"""`distcheck logs`: what NCCL and engine logs prove, on their own."""

from pathlib import Path
from typing import Annotated

import msgspec

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import options as opt
from distcheck.agent.cli.command import Program, argument
from distcheck.agent.cli.output import ink, outputs, show_on
from distcheck.agent.logs.describe import report
from distcheck.checks.logs_report import LogsReport
from distcheck.exporters.formats import Page
from distcheck.exporters.logs_text import render_text

Files = Annotated[list[str], argument("Log files, .gz too; - is standard input.", "FILE...")]

_CODES = {
    "rdma": codes.PASS,
    "rdma-no-gdr": codes.PASS,
    "mnnvl": codes.PASS,
    "single-node": codes.PASS,
    "socket": codes.FAIL,
    "failed": codes.FAIL,
}
_UNKNOWN = {None: codes.UNKNOWN, "fail": codes.FAIL, "pass": codes.PASS}


def logs(
    files: Files,
    *,
    output: opt.Output = None,
    inconclusive: opt.Inconclusive = None,
    strict: opt.Strict = False,
) -> int:
    """What NCCL and engine logs prove, on their own: one group's files, in any order.

    Exit 0 for RDMA, NVLink or one node; 1 for sockets or a failure; 3 where they do not show it.
    """
    wanted = outputs(output)
    unknown = _UNKNOWN[opt.one_of("--inconclusive", inconclusive, ("fail", "pass"))]
    told = _read(files)
    show_on(wanted, lambda name, page: _show(told, name, page))
    return _code(told, unknown, strict=strict)


def _read(files: list[str]) -> LogsReport:
    for file in files:
        if file != "-" and Path(file).is_dir():
            raise codes.usage(f"logs: {file} is a folder; name its files")
    try:
        return report(files)
    except OSError as error:
        raise codes.usage(f"logs: {error.filename}: {error.strerror or error}") from error


def _show(told: LogsReport, name: str, page: Page) -> str:
    if name == "json":
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
    return render_text(told, page.width, ink(page))


def _code(told: LogsReport, unknown: int, *, strict: bool) -> int:
    if any(f.fatal for f in told.vllm.failures):
        return codes.FAIL
    if told.nccl.verdict == "rdma-no-gdr" and strict:
        return codes.FAIL
    return _CODES.get(told.nccl.verdict, unknown)


PROGRAM = Program(logs)
