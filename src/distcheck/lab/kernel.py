"""What the kernel of a lab's node tells over netlink, and which files its ranks hold open."""

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distcheck.agent.netlink import SOCK_DIAG, attributes
from distcheck.checks.evidence.flows import TcpFlow
from distcheck.checks.evidence.rdma import QueuePair
from distcheck.lab import netlink_answers
from distcheck.lab.connections import Side, crossings, sides
from distcheck.lab.layout import Layout, Member, Rank
from distcheck.lab.nccl_text import CHANNELS

_FILE = "netlink.json"
_BY_FAMILY, _DEVICES = 20, (5 << 10) + 1
_AF_INET = 2
_HEADER = 16
_FIRST_NUMBER, _FIRST_FILE = 0x4A0, 40


def write_kernel(layout: Layout, member: Member) -> None:
    """The state of the node's network, and `/proc/PID/fd` of the pod's ranks."""
    own = sides(layout, member)
    state = {
        "since": time.time(),
        "connections": [_connection(side) for side in own],
        "hcas": [f"mlx5_{n}" for n in range(layout.world.rdma.devices)],
        "queue_pairs": [_row(pair) for pair in queue_pairs(layout, member)],
    }
    (member.folder / _FILE).write_text(json.dumps(state))
    for rank in layout.ranks_on(member):
        _write_fd(layout, rank, [s.inode for s in own if s.rank == rank])


def queue_pairs(layout: Layout, member: Member) -> Iterator[QueuePair]:
    """One for each channel at each end of what leaves a node, where NCCL uses RDMA."""
    if layout.world.network != "ib":
        return
    for at, (_, one, after) in enumerate(crossings(layout)):
        for channel in range(CHANNELS):
            first = _FIRST_NUMBER + 2 * (CHANNELS * at + channel)
            for rank, local, remote in ((one, first, first + 1), (after, first + 1, first)):
                if rank.member == member:
                    hca = f"mlx5_{rank.local % max(1, layout.world.rdma.devices)}"
                    yield QueuePair(hca, 1, local, "RC", "RTS", rank.host_pid, remote)


class LabNetlink:
    """Answers in the kernel's stead; connections that carry tensors grow with time."""

    def __init__(self, root: Path) -> None:
        self._path = root / _FILE

    def __call__(self, _namespace: Path, family: int, request: bytes) -> list[bytes]:
        """The datagrams of an answer; a pod of a node is the only one with connections."""
        state: dict[str, Any] = json.loads(self._path.read_text())
        if family == SOCK_DIAG:
            rows = _grown(state) if request[_HEADER] == _AF_INET else []
            return netlink_answers.answer(_BY_FAMILY, rows)
        kind = struct.unpack_from("=H", request, 4)[0]
        names = state["hcas"]
        if kind == _DEVICES:
            found = [netlink_answers.device(n, name) for n, name in enumerate(names)]
            return netlink_answers.answer(kind, found)
        wanted = int.from_bytes(dict(attributes(request[_HEADER:]))[1], sys.byteorder)
        pairs = [QueuePair(*p) for p in state["queue_pairs"] if p[0] == names[wanted]]
        return netlink_answers.answer(kind, netlink_answers.tables(wanted, names[wanted], pairs))


def _grown(state: dict[str, Any]) -> list[bytes]:
    seconds = time.time() - state["since"]
    return [_answered(i, e, n, more, seconds) for i, e, n, more in state["connections"]]


def _answered(
    inode: int, ends: tuple[str, int, str, int], counts: list[int], more: list[int], seconds: float
) -> bytes:
    """One row, after it has grown for so long."""
    sent, received = (int(n + m * seconds) for n, m in zip(counts, more, strict=True))
    return netlink_answers.connection(TcpFlow(*ends, sent, received), inode)


def _connection(side: Side) -> tuple[object, ...]:
    return side.inode, (*side.here, *side.there), (side.sent, side.received), side.a_second


def _row(pair: QueuePair) -> tuple[object, ...]:
    whole = pair.device, pair.port, pair.local_qpn, pair.type, pair.state, pair.pid
    return *whole, pair.remote_qpn


def _write_fd(layout: Layout, rank: Rank, inodes: list[int]) -> None:
    """Of a rank's process, where there is one; NCCL opens every HCA when it starts."""
    process = rank.member.folder / "proc" / str(rank.host_pid)
    if not process.is_dir():
        return
    started = layout.engine(rank).progress not in ("waiting", "rendezvous")
    hcas = range(layout.world.rdma.devices) if started and layout.world.network == "ib" else ()
    links = [f"socket:[{i}]" for i in inodes] + [f"/dev/infiniband/uverbs{n}" for n in hcas]
    (process / "fd").mkdir(exist_ok=True)
    for number, link in enumerate(["/dev/null", *links], _FIRST_FILE):
        (process / "fd" / str(number)).symlink_to(link)
