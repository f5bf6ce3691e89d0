"""NCCL over a whole group: its communicators, and the transports between its nodes."""

from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Missing, NcclLog
from distcheck.checks.evidence.nccl import Channels, Communicator, Failure, SeenRank
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_coverage import coverage_gaps, live, nothing_seen, seen_logs
from distcheck.checks.facts.nccl_reach import copies_apart, elsewhere, on_sockets, reach_gaps
from distcheck.checks.knowledge import transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.nccl_merge import merge


def rank_cite(rank: SeenRank, one: Communicator) -> Cite:
    """The line by which a rank says how far it is."""
    what = f"rank {rank.rank} of {one.nranks} {rank.state} on {rank.host} (pid {rank.pid})"
    return Cite(what, rank.source, rank.stamp)


def failure_cite(failure: Failure) -> Cite:
    """The line in which a failure is put into words."""
    return Cite(failure.says, failure.source, failure.stamp)


class Communicators(Fact, frozen=True):
    """All communicators of the group, merged by commId over its pods.

    `expected` is TP x PP x DP as asked for, `tp` the tensor-parallel degree; None where unknown.
    `folded` says that Ray left lines out, `start_seen` that no log lost its start.
    """

    communicators: tuple[Communicator, ...]
    failures: tuple[Failure, ...]
    expected: int | None
    tp: int | None
    folded: bool
    start_seen: bool
    info: bool

    @property
    def world(self) -> Communicator | None:
        """The largest communicator that counts; where all have ended, the largest of those."""
        return world_of(self.live or self.communicators)

    @property
    def failure(self) -> Failure | None:
        """The fatal failure to look at first."""
        return transports.root_failure(self.failures)

    @property
    def live(self) -> tuple[Communicator, ...]:
        """Communicators that count: not ended on every rank that was seen."""
        return live(self.communicators)

    @property
    def members(self) -> int:
        """Distinct ranks of the group: processes, or GPUs of a process that holds several."""
        return len({(r.host, r.pid, r.bus_id) for c in self.live for r in c.ranks})

    @property
    def waiting(self) -> tuple[tuple[Communicator, SeenRank], ...]:
        """Ranks that started and are not seen to complete."""
        every = ((c, r) for c in self.live for r in c.ranks)
        return tuple((c, r) for c, r in every if r.state == "started" and not r.closed)

    @property
    def short(self) -> tuple[Communicator, ...]:
        """Communicators of which ranks were not seen; made-up ids only for the world."""
        world = self.world
        known = (c for c in self.live if not c.inferred or c == world)
        return tuple(c for c in known if len(c.ranks) < c.nranks)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Merge what all pods' logs show; Missing where no log has an NCCL line."""
        seen = seen_logs(evidence)
        if not seen:
            return nothing_seen(evidence)
        log = merge(one for _, one in seen)
        copy, copies = evidence.intent.world_size, evidence.intent.dp or 1
        return cls(
            communicators=log.communicators,
            failures=log.failures,
            expected=None if copy is None else copy * copies,
            tp=evidence.intent.tp,
            folded=log.folded > 0,
            start_seen=log.start_seen,
            info=log.info,
            gaps=(*coverage_gaps(evidence, log), *log.dropped),
        )


class Transports(Fact, frozen=True):
    """The channels between the group's nodes, and what explains them.

    `nodes` are the Kubernetes nodes of the group's pods, `log` all pods' logs as one.
    `elsewhere` says why the group may reach beyond one node, empty where it cannot;
    `copies_apart` that no copy of a data-parallel model does.
    """

    log: NcclLog
    nodes: tuple[str, ...]
    elsewhere: tuple[str, ...]
    copies_apart: bool

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
        of = transports.class_of
        return tuple(c for c in self.channels if of(c.transport, providers) == "socket")

    @property
    def on_sockets(self) -> tuple[str, ...]:
        """Hosts of communicators between nodes with a process that chose sockets."""
        return on_sockets(self.log)

    @property
    def connected(self) -> bool:
        """Some rank completed, or said that its rings or trees are connected."""
        complete = any(c.complete for c in self.log.communicators)
        return complete or any(p.rings or p.trees for p in self.log.processes)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Merge what all pods' logs show; Missing where no log has an NCCL line."""
        seen = seen_logs(evidence)
        if not seen:
            return nothing_seen(evidence)
        log = merge(one for _, one in seen)
        nodes = tuple(dict.fromkeys(p.node for p in evidence.pods if p.node))
        gaps = (*coverage_gaps(evidence, log), *reach_gaps(log), *log.dropped)
        return cls(
            log=log,
            nodes=nodes,
            elsewhere=elsewhere(evidence, log),
            copies_apart=not gaps and copies_apart(evidence, log),
            gaps=gaps,
        )
