"""The traffic between a group's nodes by both witnesses: NCCL's logs, and the kernel."""

from typing import Self

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.kernel_traffic import KernelTraffic
from distcheck.checks.facts.nccl_transports import Transports


class Traffic(Fact, frozen=True, kw_only=True):
    """What logs and kernels show; the logs' gaps count unless the kernel shows every node."""

    nccl: Transports | Missing
    kernel: KernelTraffic | Missing

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """Never Missing itself: either witness may be."""
        nccl, kernel = folded(Transports, evidence), folded(KernelTraffic, evidence)
        whole = isinstance(kernel, KernelTraffic) and kernel.shown == "rdma"
        covered = isinstance(nccl, Missing) or (whole and not nccl.chose_tcp)
        gaps = () if isinstance(nccl, Missing) or covered else nccl.gaps
        return cls(nccl=nccl, kernel=kernel, gaps=gaps)
