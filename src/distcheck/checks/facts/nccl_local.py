"""How ranks on one Kubernetes node reach each other, as far as NCCL's logs show it."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Self

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing, NcclLog
from distcheck.checks.evidence.nccl import Channels, Communicator, Failure
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_coverage import coverage_gaps, gone, live
from distcheck.checks.facts.nccl_gaps import folded, late
from distcheck.checks.facts.nccl_group import NcclGroup, group_of, nothing_seen
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.facts.nccl_reach import elsewhere, local_networks
from distcheck.checks.knowledge import networks
from distcheck.checks.knowledge.nccl_failures import first_failure


class Neighbours(Struct, frozen=True):
    """The ranks that one communicator has on one node, where they are two or more."""

    communicator: Communicator
    node: str
    processes: frozenset[tuple[str, int]]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Their hosts, sorted: several where several pods are on the node."""
        return tuple(sorted({host for host, _ in self.processes}))


class LocalChannels(Fact, frozen=True, kw_only=True):
    """Channels between ranks of one node, and who should have some.

    `copied` go through host memory, `networked` through a NIC or the network stack, `direct`
    from GPU to GPU. `crowded` are hosts that share their node with another pod of the group.
    """

    log: NcclLog
    neighbours: tuple[Neighbours, ...]
    direct: tuple[Channels, ...]
    copied: tuple[Channels, ...]
    networked: tuple[Channels, ...]
    crowded: frozenset[str]
    failure: Failure | None

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From all pods' logs; Missing where no log has an NCCL line."""
        group = group_of(evidence)
        if not group.logs:
            return nothing_seen(evidence)
        log = group.log
        near = tuple(_neighbours(group))
        local = tuple(c for c in log.channels if c.scope == "intra_node")
        networked = local_networks(group, alone=not elsewhere(evidence, group))
        seen = (*local, *networked)
        return cls(
            log=log,
            neighbours=near,
            direct=tuple(c for c in local if not _is_copied(c)),
            copied=tuple(c for c in local if _is_copied(c)),
            networked=networked,
            crowded=frozenset(h for n in near for h in n.hosts if len(n.hosts) > 1),
            failure=first_failure(present(evidence, log.failures)),
            gaps=(
                *coverage_gaps(evidence, group),
                *_unseen(group),
                *late(group, tuple(n.communicator for n in near)),
                *folded(group, sorted({h for n in near for h in n.hosts})),
                *_unconnected(log, near, seen),
                *log.dropped,
            ),
        )


def _is_copied(one: Channels) -> bool:
    return networks.class_of(one.transport) == "shared-memory"


def _neighbours(group: NcclGroup) -> Iterator[Neighbours]:
    every = group.log.communicators
    for one in live(every) or every:
        homes: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for rank in one.ranks:
            homes[group.home(rank.host)].append((rank.host, rank.pid))
        for node, ranks in homes.items():
            if len(ranks) > 1:
                yield Neighbours(one, node, frozenset(ranks))


def _unseen(group: NcclGroup) -> Iterator[str]:
    every = group.log.communicators
    for one in live(every) or every:
        if len(one.ranks) < one.nranks and not one.inferred:
            yield f"{gone(one)} of communicator {one.id}"


def _unconnected(
    log: NcclLog, near: tuple[Neighbours, ...], seen: tuple[Channels, ...]
) -> Iterator[str]:
    """Neighbours without a channel, or with a process that has not said it is connected."""
    joined = {(p.host, p.pid) for p in log.processes if p.rings or p.trees}
    named = {(c.communicator, c.host) for c in seen}
    for one in near:
        ids = (one.communicator.id, "")
        if not any((i, h) in named for i in ids for h in one.hosts):
            size = one.communicator.nranks
            yield f"a channel on {one.node} of communicator {one.communicator.id} ({size} ranks)"
        waiting = sorted({host for host, pid in one.processes - joined})
        yield from (f"that the ranks on {host} are connected" for host in waiting)
