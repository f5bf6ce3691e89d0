"""Which GPUs the group's nodes have, by the names that NVML gives them."""

from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Gpus, Missing
from distcheck.checks.facts.fact import Fact


class GpuNames(Fact, frozen=True, kw_only=True):
    """Names of the GPUs on each Kubernetes node of the group that was looked at."""

    by_node: dict[str, tuple[str, ...]]

    def cites(self) -> tuple[Cite, ...]:
        """One line for each node."""
        every = self.by_node.items()
        return tuple(Cite(f"{node} has {', '.join(n)}", f"NVML on {node}") for node, n in every)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From NVML; Missing where no node of the group shows a GPU."""
        looks = ((n.node, n.gpus) for n in evidence.nodes)
        seen = {node: gpus.devices for node, gpus in looks if isinstance(gpus, Gpus)}
        named = {
            node: tuple(sorted({d.name for d in devices if d.name}))
            for node, devices in seen.items()
        }
        found = {node: names for node, names in named.items() if names}
        return cls(by_node=found) if found else Missing("no GPU of the group's nodes is named")
