"""What logs and kernels show of RDMA between nodes, beside what the nodes have for it."""

from typing import Self

from msgspec import structs

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.kernel_traffic import KernelTraffic
from distcheck.checks.facts.nccl_cites import channel_cites, world_cites
from distcheck.checks.facts.nccl_transports import Transports
from distcheck.checks.knowledge import networks


class RdmaUse(Fact, frozen=True, kw_only=True):
    """`works`: ranks are connected over RDMA, with GPUDirect on all of it unless `no_gdr`.

    `sockets`: ranks on different nodes talk over sockets. `aside` is why this group needs no
    RDMA, empty where it may; `cites` are the lines. `connected` are pods whose ranks hold
    queue pairs that are connected, whoever made them. Where no log was read it says nothing: it
    has no gaps.
    """

    works: bool = False
    no_gdr: bool = False
    sockets: bool = False
    aside: str = ""
    cites: tuple[Cite, ...] = ()
    connected: frozenset[str] = frozenset()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From the channels between nodes, and queue pairs."""
        found = cls._of_logs(evidence)
        return structs.replace(found, connected=_connected(evidence))

    @classmethod
    def _of_logs(cls, evidence: Evidence) -> Self:
        seen = folded(Transports, evidence)
        if not isinstance(seen, Transports) or (not seen.channels and not seen.one_node):
            return cls._of_kernels(evidence, seen)
        if seen.one_node and (world := world_cites(seen.log)):
            return cls(aside=seen.one_node, cites=world)
        cites, verdict = channel_cites(seen.channels), seen.verdict
        used = {networks.class_of(c.transport) for c in seen.channels}
        if verdict == "mnnvl":
            return cls(aside="the nodes are joined by NVLink", cites=cites)
        if "gpu-direct-tcp" in used:
            return cls(aside="the network is GPU-direct TCP", cites=cites)
        rdma = verdict in ("rdma", "rdma-no-gdr") and seen.unproven is None
        return cls(
            works=rdma, no_gdr=verdict == "rdma-no-gdr", sockets=bool(seen.sockets), cites=cites
        )

    @classmethod
    def _of_kernels(cls, evidence: Evidence, log: Transports | Missing) -> Self:
        """Where no log tells: queue pairs, and what TCP carried."""
        kernel = folded(KernelTraffic, evidence)
        shown = kernel.shown if isinstance(kernel, KernelTraffic) else ""
        tcp = isinstance(log, Transports) and bool(log.chose_tcp)
        return cls(works=shown == "rdma" and not tcp, sockets=shown == "socket")


def _connected(evidence: Evidence) -> frozenset[str]:
    kernel = folded(KernelTraffic, evidence)
    pods = kernel.pods if isinstance(kernel, KernelTraffic) else ()
    return frozenset(p.pod.name for p in pods if p.on_efa or any(p.connected))
