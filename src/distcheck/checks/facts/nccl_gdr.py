"""GPUDirect RDMA between nodes: how much of each node's traffic has it, by direction."""

from collections.abc import Collection

from msgspec.structs import replace

from distcheck.checks.evidence import NcclLog
from distcheck.checks.evidence.nccl import Channels
from distcheck.checks.knowledge.gdr_causes import GdrSide, gdr_causes, gdr_sides

EFA_WITHOUT_GDR = ("A10G", "L4", "T4")
"""GPUs of AWS instances whose EFA has no GPUDirect RDMA: G5, G6 and G4dn (EC2 user guide, EFA)."""


def sides(log: NcclLog, channels: tuple[Channels, ...]) -> tuple[GdrSide, ...]:
    """Every host's directions of these channels, sorted."""
    return gdr_sides(replace(log, channels=channels))


def causes(log: NcclLog, channels: tuple[Channels, ...]) -> dict[str, str]:
    """For each host whose channels lack GPUDirect, why; one of which nothing says so is out."""
    return gdr_causes(replace(log, channels=channels))


def shape(every: Collection[GdrSide]) -> str:
    """The cause that the shape of the loss shows: one direction, some nodes, or all over."""
    lost = [s for s in every if s.direct < s.lines]
    lost_hosts, lost_ways = {s.host for s in lost}, {s.direction for s in lost}
    if lost_hosts != {s.host for s in every}:
        return "gdr-asymmetric"
    return "gdr-one-direction" if len(lost_ways) == 1 else "gdr-off"


def of_hosts(log: NcclLog, hosts: Collection[str]) -> NcclLog:
    """What these hosts wrote of their choices: their notes, settings and processes."""
    return replace(
        log,
        processes=tuple(p for p in log.processes if p.host in hosts),
        channels=tuple(c for c in log.channels if c.host in hosts),
        marks=tuple(m for m in log.marks if m.host in hosts),
        echoes=tuple(e for e in log.echoes if e.host in hosts),
        failures=tuple(f for f in log.failures if f.host in hosts),
    )
