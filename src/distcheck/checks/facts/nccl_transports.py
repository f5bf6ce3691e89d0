"""The transports between a group's nodes, as NCCL's logs show them."""

from typing import Self

from msgspec import field
from msgspec.structs import replace

from distcheck.checks.evidence import Evidence, Missing, NcclLog
from distcheck.checks.evidence.nccl import Channels, Failure
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_coverage import coverage_gaps
from distcheck.checks.facts.nccl_gaps import reach_gaps
from distcheck.checks.facts.nccl_group import NcclGroup, group_of, nothing_seen
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.facts.nccl_reach import (
    copies_apart,
    elsewhere,
    local_networks,
    on_sockets,
)
from distcheck.checks.knowledge import networks, transports
from distcheck.checks.knowledge.nccl_failures import first_failure

_TCP = ("socket", "gpu-direct-tcp")


class Transports(Fact, frozen=True):
    """The channels between the group's nodes, and what explains them.

    `nodes` are the Kubernetes nodes of the group's pods; `log` is all pods' logs as one,
    without channels over a network that stay on one node. `elsewhere` says why the group may
    reach beyond one node, empty where it cannot; `copies_apart` that no copy of a
    data-parallel model does. `on_sockets` are hosts of communicators between nodes with a
    process that chose sockets, `failure` the one to look at first; `homes` maps hosts to
    Kubernetes nodes.
    """

    log: NcclLog
    nodes: tuple[str, ...]
    elsewhere: tuple[str, ...]
    copies_apart: bool
    on_sockets: tuple[str, ...] = ()
    failure: Failure | None = None
    homes: dict[str, str] = field(default_factory=dict)

    def place(self, host: str) -> str:
        """`vllm-worker-0 on gpu-b`, or the host alone where its node is not known."""
        home = self.homes.get(host, host)
        return host if home == host else f"{host} on {home}"

    @property
    def verdict(self) -> transports.TransportVerdict:
        """What the channel lines prove; the worst network decides."""
        return transports.transport_verdict(self.log)

    @property
    def channels(self) -> tuple[Channels, ...]:
        """Channels that leave a node."""
        return transports.inter_node(self.log)

    @property
    def sockets(self) -> tuple[Channels, ...]:
        """Channels between nodes that use TCP sockets."""
        providers = transports.providers_of(self.log)
        of = networks.class_of
        return tuple(c for c in self.channels if of(c.transport, providers) == "socket")

    @property
    def chose_tcp(self) -> tuple[str, ...]:
        """Hosts with a process that chose TCP for its network, whatever it leads to."""
        providers = transports.providers_of(self.log)
        named = ((p.host, p.network) for p in self.log.processes if p.network)
        found = {h for h, n in named if networks.class_of_network(n, providers) in _TCP}
        return tuple(sorted(found | set(self.on_sockets)))

    @property
    def connected(self) -> bool:
        """Some rank completed, or said that its rings or trees are connected."""
        complete = any(c.complete for c in self.log.communicators)
        return complete or any(p.rings or p.trees for p in self.log.processes)

    @property
    def unproven(self) -> str | None:
        """Why the channels that are seen do not show that they work; None where they do."""
        if not self.connected:
            return "no rank is connected yet"
        return None if self.failure is None else f"then NCCL failed: {self.failure.says}"

    @property
    def one_node(self) -> str | None:
        """Why no traffic has to leave a node; None where some does, or may."""
        if not self.elsewhere and len(self.nodes) == 1:
            return f"all pods are on one node, {self.nodes[0]}"
        return "each copy of the model has all its ranks on one node" if self.copies_apart else None

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Merge what all pods' logs show; Missing where no log has an NCCL line."""
        group = group_of(evidence)
        if not group.logs:
            return nothing_seen(evidence)
        beyond = elsewhere(evidence, group)
        log = _leaving(group, alone=not beyond)
        gaps = (
            *coverage_gaps(evidence, group),
            *reach_gaps(group, transports.inter_node(log)),
            *log.dropped,
        )
        return cls(
            log=log,
            nodes=tuple(dict.fromkeys(p.node for p in evidence.pods if p.node)),
            elsewhere=beyond,
            copies_apart=not gaps and copies_apart(evidence, log),
            on_sockets=on_sockets(group),
            failure=first_failure(present(evidence, log.failures)),
            homes=group.nodes,
            gaps=gaps,
        )


def _leaving(group: NcclGroup, *, alone: bool) -> NcclLog:
    """The log without channels over a network that stay on one node."""
    local = set(local_networks(group, alone=alone))
    return replace(group.log, channels=tuple(c for c in group.log.channels if c not in local))
