"""How the GPUs of the group's pods are joined on their nodes, as NVML tells."""

from collections.abc import Collection, Iterator
from typing import Self

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.evidence.gpu_health import GpuHealth, GpuPair
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.gpu_health import OwnGpus
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.knowledge.gpu_links import expects_nvlink


class NodeLinks(Struct, frozen=True):
    """The pairs of the group's own GPUs on one node; `indices` are NVML's numbers of them.

    `nvlinked`: these GPUs are of a kind that NVLink joins, or some NVLink is up there.
    """

    node: str
    pairs: tuple[GpuPair, ...]
    indices: dict[str, int]
    nvlinked: bool
    seen_at: str | None

    @property
    def apart(self) -> tuple[GpuPair, ...]:
        """Pairs that NVML says do not reach each other's memory."""
        return tuple(p for p in self.pairs if p.peer not in (None, "ok"))

    @property
    def without_nvlink(self) -> tuple[GpuPair, ...]:
        """Pairs that NVLink does not join."""
        return tuple(p for p in self.pairs if p.nvlink not in (None, "ok"))

    @property
    def told(self) -> bool:
        """Whether NVML said of every pair if NVLink joins it."""
        return bool(self.pairs) and all(p.nvlink is not None for p in self.pairs)

    def named(self, pair: GpuPair) -> str:
        """`GPU 0 and GPU 1`."""
        return f"GPU {self.indices[pair.one]} and GPU {self.indices[pair.other]}"

    def cite(self, what: str) -> Cite:
        """What shows it."""
        return Cite(f"{what} on {self.node}", f"NVML on {self.node}", self.seen_at)


class GpuLinks(Fact, frozen=True, kw_only=True):
    """By Kubernetes node; `nodes` of hosts as NCCL names them. It has no gaps."""

    by_node: dict[str, NodeLinks]
    homes: dict[str, str]

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From NVML's pairs of GPUs that are the group's own."""
        own = folded(OwnGpus, evidence)
        names: dict[str, set[str]] = {}
        for gpu in own.gpus if isinstance(own, OwnGpus) else ():
            names.setdefault(gpu.node, set()).add(gpu.state.uuid)
        found: dict[str, NodeLinks] = {}
        for node in evidence.nodes:
            links = _links(node.node, node.health, names.get(node.node, set()))
            if links is not None:
                found[node.node] = links
        return cls(by_node=found, homes=group_of(evidence).nodes)

    def of_hosts(self, hosts: Collection[str]) -> Iterator[NodeLinks]:
        """The nodes of these hosts, each once, where NVML told of them."""
        for node in dict.fromkeys(self.homes.get(h, h) for h in hosts):
            if node in self.by_node:
                yield self.by_node[node]


def _links(node: str, health: GpuHealth | Missing, own: set[str]) -> NodeLinks | None:
    if isinstance(health, Missing):
        return None
    pairs = tuple(p for p in health.pairs if {p.one, p.other} <= own)
    if not pairs:
        return None
    states = [s for s in health.gpus if s.uuid in own]
    up = any(s.nvlinks is not None and s.nvlinks.up for s in states)
    kind = any(expects_nvlink(s.name) for s in states)
    return NodeLinks(node, pairs, {s.uuid: s.index for s in states}, up or kind, health.seen_at)
