"""NCCL over a whole group: its communicators, and the transports between its nodes."""

from collections.abc import Iterable
from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Missing, NcclLog, Pod
from distcheck.checks.evidence.nccl import Channels, Communicator, Failure, SeenRank
from distcheck.checks.facts.fact import Fact
from distcheck.checks.knowledge import transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.nccl_merge import merge


def seen_logs(evidence: Evidence) -> tuple[tuple[Pod, NcclLog], ...]:
    """The pods whose logs hold NCCL lines, with what they show."""
    looks = ((pod, evidence.look(pod).nccl) for pod in evidence.pods)
    return tuple((p, log) for p, log in looks if isinstance(log, NcclLog) and log.lines)


def nothing_seen(evidence: Evidence) -> Missing:
    """Why there is no NCCL line in any log of the group."""
    looks = [(pod, evidence.look(pod).nccl) for pod in evidence.pods]
    read = [p.name for p, log in looks if isinstance(log, NcclLog)]
    unread = dict.fromkeys(log.reason for _, log in looks if isinstance(log, Missing))
    silent = f"no NCCL lines in the logs of {', '.join(read)} (is NCCL_DEBUG=INFO set?)"
    said = ([silent] if read else []) + list(unread)
    return Missing("; ".join(said) or f"{evidence.target.name} has no pods")


def hosts_of(pod: Pod) -> tuple[str, ...]:
    """What NCCL may print as this pod's host: its name, or its node's with host network."""
    return tuple(n.partition(".")[0] for n in (pod.name, pod.node) if n)


def uncovered(evidence: Evidence, log: NcclLog) -> tuple[str, ...]:
    """Pods with GPUs of which no log, not even another pod's, shows an NCCL process.

    Ray prints its workers' lines in the driver's log: such a worker pod is covered.
    """
    shown = set(log.hosts)
    return tuple(
        _why(evidence, pod)
        for pod in evidence.pods
        if pod.gpus and not shown.intersection(hosts_of(pod)) and not _speaks(evidence, pod)
    )


def _speaks(evidence: Evidence, pod: Pod) -> bool:
    look = evidence.look(pod).nccl
    return isinstance(look, NcclLog) and look.lines > 0


def _why(evidence: Evidence, pod: Pod) -> str:
    look = evidence.look(pod).nccl
    return look.reason if isinstance(look, Missing) else f"no NCCL lines of {pod.name}"


def rank_cite(rank: SeenRank, one: Communicator) -> Cite:
    """The line by which a rank says how far it is."""
    what = f"rank {rank.rank} of {one.nranks} {rank.state} on {rank.host} (pid {rank.pid})"
    return Cite(what, rank.source, rank.stamp)


def failure_cite(failure: Failure) -> Cite:
    """The line in which a failure is put into words."""
    return Cite(failure.says, failure.source, failure.stamp)


class Communicators(Fact, frozen=True):
    """All communicators of the group, merged by commId over its pods.

    `expected` is TP x PP as asked for, `tp` the tensor-parallel degree; None where unknown.
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
        """The largest communicator."""
        return world_of(self.communicators)

    @property
    def failure(self) -> Failure | None:
        """The fatal failure to look at first."""
        return transports.root_failure(self.failures)

    @property
    def live(self) -> tuple[Communicator, ...]:
        """Communicators that count: not ended on every rank that was seen."""
        return tuple(c for c in self.communicators if not all(r.closed for r in c.ranks))

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
        return cls(
            communicators=log.communicators,
            failures=log.failures,
            expected=evidence.intent.world_size,
            tp=evidence.intent.tp,
            folded=log.folded > 0,
            start_seen=log.start_seen,
            info=log.info,
            gaps=(*uncovered(evidence, log), *log.dropped),
        )


class Transports(Fact, frozen=True):
    """The channels between the group's nodes, and what explains them.

    `nodes` are the Kubernetes nodes of the group's pods, `log` all pods' logs as one.
    """

    log: NcclLog
    nodes: tuple[str, ...]

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
        gaps = (*uncovered(evidence, log), *_silent_hosts(log), *log.dropped)
        return cls(log=log, nodes=nodes, gaps=gaps)


def _silent_hosts(log: NcclLog) -> Iterable[str]:
    """Hosts with ranks and no channel that leaves them, where other hosts have such."""
    leaving = {c.host for c in log.channels if c.scope == "inter_node"}
    ranked = {r.host for c in log.communicators for r in c.ranks}
    if leaving:
        yield from (f"no channel of {h} that leaves its node" for h in sorted(ranked - leaving))
