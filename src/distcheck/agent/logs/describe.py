"""What log files prove on their own: the object that `distcheck logs -o json` prints."""

import os
import stat
import sys
from collections.abc import Iterable, Sequence

import msgspec

from distcheck.agent.logs.distil import Distilled, combine
from distcheck.agent.logs.files import STDIN, DamagedError, distil_file, name_of, unpacked
from distcheck.agent.logs.stopping import Stopping, Told
from distcheck.checks.logs_engine import nccl_advice, vllm_part
from distcheck.checks.logs_headline import headline, status
from distcheck.checks.logs_jobs import JobFile, separate_jobs
from distcheck.checks.logs_report import LogsReport, nccl_part

__all__ = ["LogsReport", "describe", "report"]

_HEAD = 4096
_LONGEST_TEXT = 1 << 20
"""Bytes of an average line: progress bars that write one line for ever stay below."""
_FLAGS = os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK


def report(
    paths: Sequence[str],
    *,
    skipped: Iterable[str] = (),
    stopping: Stopping | None = None,
    told: Told | None = None,
) -> LogsReport:
    """All files as the logs of one group, and each file alone where there are several.

    Once `stopping` is stopped, files that were not begun are named in `skipped`.

    Raises:
        OSError: a file cannot be opened or read.
    """
    stopping, unread = stopping or Stopping(), list(skipped)
    parts: list[Distilled] = []
    for path in paths:
        if parts and stopping.stopped:
            unread.append(f"{name_of(path)}: not read, the reading was stopped before it")
        else:
            parts.append(distil_file(path, None, stopping, told))
    binary = [_is_binary(part, path) for part, path in zip(parts, paths, strict=False)]
    if len(parts) == 1:
        whole = _told(parts[0], parts[0].source, binary=binary[0])
        return msgspec.structs.replace(whole, skipped=tuple(unread))
    alone = (
        _told(combine([part]), part.source, binary=no_text)
        for part, no_text in zip(parts, binary, strict=True)
    )
    jobs = separate_jobs(JobFile(part.source, part.nccl, part.vllm) for part in parts)
    whole = _told(combine(parts), "", binary=all(binary), jobs=jobs)
    return msgspec.structs.replace(whole, skipped=tuple(unread), by_file=tuple(alone))


def _told(
    one: Distilled, name: str, *, binary: bool, jobs: tuple[tuple[str, ...], ...] = ()
) -> LogsReport:
    vllm, engine = vllm_part(one.vllm), one.engine if one.engine.lines else None
    advice = nccl_advice(vllm, engine)
    nccl = nccl_part(one.nccl, ended=one.cut is None, advice=advice)
    return LogsReport(
        status=status(nccl, vllm),
        headline=headline(nccl, vllm, lines=one.lines, is_text=not binary, jobs=len(jobs)),
        bytes=one.bytes,
        lines=one.lines,
        nccl=nccl,
        vllm=vllm,
        name=name,
        cut=one.cut,
        engine=engine,
        jobs=jobs,
        binary=binary,
    )


def _is_binary(one: Distilled, path: str) -> bool:
    """It says nothing, and its lines or its first bytes are none of a text."""
    if one.nccl.lines or one.vllm.lines or one.engine.lines:
        return False
    return one.bytes > _LONGEST_TEXT * max(one.lines, 1) or b"\0" in _first_bytes(path)


def _first_bytes(path: str) -> bytes:
    """The first bytes of a regular file, unpacked; none of a pipe, whose bytes are gone."""
    try:
        descriptor = os.dup(sys.stdin.fileno()) if path == STDIN else os.open(path, _FLAGS)
    except (OSError, ValueError):
        return b""
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        head = os.pread(descriptor, _HEAD, 0) if regular else b""
        return next(unpacked([head]), b"")
    except (OSError, DamagedError):
        return b""
    finally:
        os.close(descriptor)


def describe(paths: list[str]) -> dict[str, object]:
    """`report` as plain JSON types.

    Raises:
        OSError: a file cannot be opened or read.
    """
    told: dict[str, object] = msgspec.to_builtins(report(paths))
    return told
