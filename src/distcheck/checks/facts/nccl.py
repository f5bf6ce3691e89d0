"""NCCL over a whole group: its communicators."""

from typing import Self

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.evidence.nccl import Communicator, Failure, SeenRank
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_coverage import coverage_gaps, held_by_host, live
from distcheck.checks.facts.nccl_gaps import silent_pods
from distcheck.checks.facts.nccl_group import group_of, nothing_seen
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.nccl_failures import first_failure


class Communicators(Fact, frozen=True):
    """All communicators of the group, merged by commId over its pods.

    `expected` is TP x PP x DP as asked for, `tp` the tensor-parallel degree; None where unknown.
    `folded` says that Ray left lines out, `silent` names the pods that show no rank.
    """

    communicators: tuple[Communicator, ...]
    failure: Failure | None
    expected: int | None
    tp: int | None
    folded: bool
    info: bool
    silent: str = ""

    @property
    def world(self) -> Communicator | None:
        """The largest communicator that counts; where all have ended, the largest of those."""
        return world_of(self.live or self.communicators)

    @property
    def live(self) -> tuple[Communicator, ...]:
        """Communicators that count: not ended on every rank that was seen."""
        return live(self.communicators)

    @property
    def members(self) -> int:
        """Distinct ranks of the group: processes, or GPUs of a process that holds several."""
        return sum(held_by_host(self.live).values())

    @property
    def waiting(self) -> tuple[tuple[Communicator, SeenRank], ...]:
        """Ranks that started and are not seen to complete."""
        every = ((c, r) for c in self.live for r in c.ranks)
        return tuple((c, r) for c, r in every if r.state == "started" and not r.closed)

    @property
    def left(self) -> tuple[tuple[Communicator, SeenRank], ...]:
        """Ranks that ended a communicator in which others still are."""
        return tuple((c, r) for c in self.live for r in c.ranks if r.closed)

    @property
    def short(self) -> tuple[Communicator, ...]:
        """Communicators of which ranks were not seen; made-up ids only for the world."""
        world = self.world
        known = (c for c in self.live if not c.inferred or c == world)
        return tuple(c for c in known if len(c.ranks) < c.nranks)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Merge what all pods' logs show; Missing where no log has an NCCL line."""
        group = group_of(evidence)
        if not group.logs:
            return nothing_seen(evidence)
        log, copy = group.log, evidence.intent.world_size
        return cls(
            communicators=log.communicators,
            failure=first_failure(present(evidence, log.failures)),
            expected=None if copy is None else copy * (evidence.intent.dp or 1),
            tp=evidence.intent.tp,
            folded=log.folded > 0,
            info=log.info,
            silent=silent_pods(evidence, group),
            gaps=(*coverage_gaps(evidence, group), *log.dropped),
        )
