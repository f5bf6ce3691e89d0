"""What log files prove on their own: the object that `distcheck logs -o json` prints."""

from collections.abc import Sequence

import msgspec

from distcheck.agent.logs.distil import Distilled, combine, distil_file
from distcheck.checks.logs_engine import vllm_part
from distcheck.checks.logs_report import LogsReport, nccl_part

__all__ = ["LogsReport", "describe", "report"]


def report(paths: Sequence[str]) -> LogsReport:
    """All files as the logs of one group, and each file alone where there are several.

    Raises:
        OSError: a file cannot be opened or read.
    """
    parts = [distil_file(path) for path in paths]
    whole = _told(combine(parts), name="" if len(parts) > 1 else parts[0].source)
    if len(parts) == 1:
        return whole
    alone = tuple(_told(combine([part]), part.source) for part in parts)
    return msgspec.structs.replace(whole, by_file=alone)


def _told(one: Distilled, name: str) -> LogsReport:
    nccl, vllm = nccl_part(one.nccl), vllm_part(one.vllm)
    return LogsReport(one.bytes, one.lines, nccl, vllm, name=name, cut=one.cut)


def describe(paths: list[str]) -> dict[str, object]:
    """`report` as plain JSON types.

    Raises:
        OSError: a file cannot be opened or read.
    """
    told: dict[str, object] = msgspec.to_builtins(report(paths))
    return told
