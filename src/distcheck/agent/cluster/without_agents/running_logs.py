"""Logs inside a container, without what they tell of processes that have ended.

A worker's file stays when the worker has ended. Its failures stay too, as they may be why; its
ranks, channels and weights are of a world that is gone.
"""

import re
from collections.abc import Collection

from msgspec import structs

from distcheck.agent.logs.distil import Distilled
from distcheck.checks.evidence import NcclLog, VllmLog

_WORKER = re.compile(r"-([0-9]{1,10})\.(?:out|err)\Z")


def of_now(log: Distilled, path: str, running: Collection[int]) -> tuple[Distilled, bool]:
    """The log of the file at `path`, and whether something of it was left out.

    `running` are the numbers of all processes of the container, as its logs have them.
    """
    named = _WORKER.search(path)
    if named is not None and int(named[1]) not in running:
        nccl = structs.replace(log.nccl, processes=(), communicators=(), channels=())
        vllm = VllmLog(lines=log.vllm.lines, failures=log.vllm.failures)
        return structs.replace(log, nccl=nccl, vllm=vllm), bool(_pids(log.nccl))
    nccl = _of_now(log.nccl, running)
    return structs.replace(log, nccl=nccl), nccl is not log.nccl


def _of_now(log: NcclLog, running: Collection[int]) -> NcclLog:
    if _pids(log) <= set(running):
        return log
    comms = (
        structs.replace(c, ranks=tuple(r for r in c.ranks if r.pid in running))
        for c in log.communicators
    )
    return structs.replace(
        log,
        processes=tuple(p for p in log.processes if p.pid in running),
        communicators=tuple(c for c in comms if c.ranks),
        channels=tuple(c for c in log.channels if c.pid in running),
    )


def _pids(log: NcclLog) -> set[int]:
    """Every process that the log tells of, but for its failures."""
    ranks = {r.pid for c in log.communicators for r in c.ranks}
    return ranks | {p.pid for p in log.processes} | {c.pid for c in log.channels}
