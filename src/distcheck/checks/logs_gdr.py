"""How much of the traffic over a network has GPUDirect RDMA, by the size of communicators."""

from msgspec import Struct

from distcheck.checks.evidence.nccl import Channels, NcclLog
from distcheck.checks.knowledge import networks, transports


class GdrShare(Struct, frozen=True):
    """Network channel lines of all communicators of `nranks` ranks; `direct` have GPUDirect RDMA.

    `nranks` is None for lines that do not tell whose they are. Sockets are not counted.
    """

    nranks: int | None
    direct: int
    lines: int


def gdr_shares(log: NcclLog) -> tuple[GdrShare, ...]:
    """One entry for each size, the largest first."""
    sizes = {c.id: c.nranks for c in log.communicators}
    counts: dict[int, tuple[int, int]] = {}
    for one in transports.net_channels(log):
        if networks.network_of(one.transport) != "Socket":
            size = sizes.get(one.communicator, 0)
            direct, lines = counts.get(size, (0, 0))
            more = one.count if networks.is_gdr(one.transport) else 0
            counts[size] = (direct + more, lines + one.count)
    return tuple(GdrShare(size or None, *counts[size]) for size in sorted(counts, reverse=True))


def both_ways(log: NcclLog) -> frozenset[tuple[str, int, str]]:
    """`(host, pid, direction)` of processes with and without GPUDirect in one direction."""
    used: dict[tuple[str, int, str], set[bool]] = {}
    for one in transports.net_channels(log):
        used.setdefault(end_of(one), set()).add(networks.is_gdr(one.transport))
    return frozenset(end for end, found in used.items() if len(found) > 1)


def end_of(one: Channels) -> tuple[str, int, str]:
    """The process and the direction of channels."""
    return one.host, one.pid, one.direction
