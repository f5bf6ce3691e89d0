"""The logs of a node folder: what the container printed, and what Ray's workers wrote inside it."""

import hashlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from msgspec import structs

from distcheck.lab import nccl_text, ray_text, vllm_text
from distcheck.lab.layout import NAMESPACE, Layout, Member, Rank
from distcheck.lab.ray_copies import Said, copies
from distcheck.lab.scenario import Engine
from distcheck.lab.vllm_text import Line

_SESSION = "tmp/ray/session_lab"
_LATER_PIDS = 900
_AN_HOUR = 3600.0
_ROTATED: Line = (_AN_HOUR / 12, 'INFO:     10.20.0.9:41234 - "GET /health HTTP/1.1" 200 OK')


def write_logs(layout: Layout, member: Member) -> None:
    """The container's log as the kubelet keeps it, and Ray's session where Ray runs."""
    _write_container_log(layout, member)
    if layout.world.ray:
        _write_session(layout, member)


def container_lines(layout: Layout, member: Member) -> list[Line]:
    """What the pod's container prints on its standard output, in order of time."""
    if layout.world.logs in ("rotated", "last-week-same-pids"):
        return [_ROTATED]
    then = _logged(layout)
    member = then.member(member.node)
    lines: list[Line] = []
    if then.world.ray:
        lines += ray_text.start_lines(then, member)
    for number, engine in enumerate(then.world.engines):
        lines += vllm_text.server_lines(then, engine, member)
        if then.world.ray and engine.nodes[0] == member.node:
            ours = [r for r in then.ranks() if r.engine == number]
            lines += copies(_said(then, ours), member)
    if not then.world.ray:
        lines += (line for _, line in _said(then, then.ranks_on(member)))
    return sorted(lines, key=lambda line: line[0])


def _said(layout: Layout, ranks: list[Rank]) -> Iterator[Said]:
    comms = nccl_text.comms_of(layout)
    for rank in ranks:
        yield from ((rank, line) for line in _rank_lines(layout, rank, comms))


def _rank_lines(layout: Layout, rank: Rank, comms: list[nccl_text.Comm]) -> Iterator[Line]:
    yield from vllm_text.worker_head(layout, rank)
    yield from ((34.0, line) for line in nccl_text.rank_lines(layout, rank, comms))
    yield from vllm_text.worker_tail(layout, rank)


def _logged(layout: Layout) -> Layout:
    """What the logs tell of: the group as it runs, or a healthy start of a week ago."""
    if not layout.world.logs.startswith("last-week"):
        return layout
    later = 0 if layout.world.logs.endswith("same-pids") else _LATER_PIDS
    members = tuple(structs.replace(m, later=later) for m in layout.members)
    world = structs.replace(layout.world, engines=(Engine(),))
    week = timedelta(days=7)
    return structs.replace(layout, world=world, members=members, started=layout.started - week)


def _write_container_log(layout: Layout, member: Member) -> None:
    folder = member.folder / "pod-logs" / f"{NAMESPACE}_{member.pod}_{member.uid}" / "vllm"
    folder.mkdir(parents=True)
    path = folder / "0.log"
    path.write_text("".join(_cri(layout, container_lines(layout, member))))
    _date(layout, path)


def _cri(layout: Layout, lines: list[Line]) -> Iterator[str]:
    then = _logged(layout)
    for number, (seconds, line) in enumerate(lines):
        stamp = then.at(seconds) + timedelta(microseconds=number)
        yield f"{stamp:%Y-%m-%dT%H:%M:%S.%f}000Z stdout F {line}\n"


def _write_session(layout: Layout, member: Member) -> None:
    logs = member.container_root / _SESSION / "logs"
    logs.mkdir(parents=True)
    (logs.parent.parent / "session_latest").symlink_to("/" + _SESSION)
    then = _logged(layout)
    comms = nccl_text.comms_of(then)
    for rank in then.ranks_on(member):
        if then.engine(rank).progress == "waiting":
            continue
        head = [":job_id:01000000", ":actor_name:RayWorkerWrapper"]
        said = [] if then.world.logs == "rotated" else _rank_lines(then, rank, comms)
        path = logs / f"worker-{_worker_id(rank)}-01000000-{rank.pid}.out"
        path.write_text("\n".join([*head, *(line for _, line in said)]) + "\n")
        _date(layout, path)


def _date(layout: Layout, path: Path) -> None:
    """The file was last written when its last line was."""
    moment = _logged(layout).at(120).timestamp()
    os.utime(path, (moment, moment))


def _worker_id(rank: Rank) -> str:
    """56 hexadecimal digits, as Ray gives each worker."""
    return hashlib.sha224(f"{rank.member.uid} {rank.gpu}".encode()).hexdigest()
