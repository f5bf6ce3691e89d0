"""Why GPUDirect RDMA is off, as far as NCCL's log says: per host, by direction.

Sources: NCCL src/graph/topo.cc and paths.cc (distance, reading), src/transport/net_ib/gdr.cc
(kernel modules, DMA-BUF), tags v2.8.3 to v2.30.7; aws-ofi-nccl.
"""

from msgspec import Struct

from distcheck.checks.evidence.nccl import Direction, NcclLog
from distcheck.checks.knowledge.settings import is_zero

GDR_EVIDENCE: dict[str, tuple[str, ...]] = {
    "env-gdr": ("NCCL_NET_GDR_LEVEL", "NCCL_NET_GDR_READ", "NCCL_DMABUF_ENABLE"),
    "gdr-topology": ("gdr-off-distance", "no-pci-tree"),
    "gdr-plugin": ("gdr-off-hmem",),
    "no_peermem": ("gdr-off-hca",),
}
"""Which settings and marks show a cause, most telling first."""


class GdrSide(Struct, frozen=True):
    """RDMA channel lines of one host in one direction: how many there are, how many with GDR."""

    host: str
    direction: Direction
    lines: int
    direct: int


def gdr_sides(log: NcclLog) -> tuple[GdrSide, ...]:
    """Every host and direction with network channels, sockets left out; sorted."""
    found: dict[tuple[str, Direction], tuple[int, int]] = {}
    for one in log.channels:
        if not one.transport.startswith("NET/") or one.transport.startswith("NET/Socket"):
            continue
        lines, direct = found.get((one.host, one.direction), (0, 0))
        more = one.count if "/GDRDMA" in one.transport else 0
        found[one.host, one.direction] = lines + one.count, direct + more
    return tuple(GdrSide(*key, *found[key]) for key in sorted(found))


def gdr_causes(log: NcclLog) -> dict[str, str]:
    """For each host whose channels lack GPUDirect, why; one of which nothing says so is out."""
    lacking = dict.fromkeys(s.host for s in gdr_sides(log) if s.direct < s.lines)
    found = ((host, gdr_cause(log, host)) for host in lacking)
    return {host: cause for host, cause in found if cause is not None}


def gdr_cause(log: NcclLog, host: str | None = None) -> str | None:
    """Why GPUDirect RDMA is off, on `host` or anywhere; None where the log does not show it."""
    if log.folded:
        host = None
    marks = {m.id for m in log.marks if host in (None, m.host)}
    if _switched_off(log, host):
        return "env-gdr"
    if marks & {"gdr-off-distance", "no-pci-tree"}:
        return "gdr-topology"
    if "gdr-off-hmem" in marks:
        return "gdr-plugin"
    return "no_peermem" if "gdr-off-hca" in marks and "dmabuf" not in marks else None


def _switched_off(log: NcclLog, host: str | None) -> bool:
    """A setting forbids it: distance (LOC or 0), the NIC's reads, or DMA-BUF without peermem."""
    own = [e for e in log.echoes if host in (None, e.host)]
    off = {e.name for e in own if is_zero(e.value)}
    local = any(e.name == "NCCL_NET_GDR_LEVEL" and e.value.upper() == "LOC" for e in own)
    modules = any(m.id == "gdr-off-hca" for m in log.marks if host in (None, m.host))
    return (
        local
        or "NCCL_NET_GDR_LEVEL" in off
        or ("NCCL_NET_GDR_READ" in off and not _writes_lack(log, host))
        or ("NCCL_DMABUF_ENABLE" in off and modules)
    )


def _writes_lack(log: NcclLog, host: str | None) -> bool:
    """Receiving lacks it too, which a ban on reading GPU memory does not explain."""
    sides = (s for s in gdr_sides(log) if host in (None, s.host))
    return any(s.direction == "receive" and s.direct < s.lines for s in sides)
