"""What log files prove on their own: the object that `distcheck logs -o json` prints."""

from collections.abc import Iterable, Sequence

import msgspec

from distcheck.agent.logs.distil import Distilled, combine
from distcheck.agent.logs.files import distil_file, name_of
from distcheck.agent.logs.stopping import Stopping, Told
from distcheck.checks.logs_engine import vllm_part
from distcheck.checks.logs_report import LogsReport, nccl_part

__all__ = ["LogsReport", "describe", "report"]


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
    whole = _told(combine(parts), name="" if len(parts) > 1 else parts[0].source)
    whole = msgspec.structs.replace(whole, skipped=tuple(unread))
    if len(parts) == 1:
        return whole
    alone = tuple(_told(combine([part]), part.source) for part in parts)
    return msgspec.structs.replace(whole, by_file=alone)


def _told(one: Distilled, name: str) -> LogsReport:
    nccl, vllm = nccl_part(one.nccl, ended=one.cut is None), vllm_part(one.vllm)
    engine = one.engine if one.engine.lines else None
    return LogsReport(one.bytes, one.lines, nccl, vllm, name=name, cut=one.cut, engine=engine)


def describe(paths: list[str]) -> dict[str, object]:
    """`report` as plain JSON types.

    Raises:
        OSError: a file cannot be opened or read.
    """
    told: dict[str, object] = msgspec.to_builtins(report(paths))
    return told
