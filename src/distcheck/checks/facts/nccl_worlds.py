"""The worlds that NCCL shows: processes that share communicators, directly or through others."""

from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from distcheck.checks.evidence import Cite, Evidence, Missing, NcclLog
from distcheck.checks.evidence.nccl import Communicator
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_coverage import misplaced
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.knowledge.names import alike

Process = tuple[str, int]


class NcclWorld(Struct, frozen=True):
    """Processes bound together by communicators.

    `closed` says that every rank of each of its communicators was seen complete, on the pods
    of the group, so that no process is missing from `processes`. `largest` is the size of its
    largest communicator.
    """

    processes: tuple[Process, ...]
    closed: bool
    largest: int
    cites: tuple[Cite, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts of its processes, sorted."""
        return tuple(sorted({host for host, _ in self.processes}))


class NcclWorlds(Fact, frozen=True, kw_only=True):
    """NCCL's witness of the group's worlds; `unseen` says where its logs lack something.

    `whole` says that no log lost its first lines, so that no communicator can be missing,
    and that no host has more processes than GPUs, as lines of an earlier start would make it.
    """

    worlds: tuple[NcclWorld, ...]
    whole: bool
    unseen: tuple[str, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> "NcclWorlds | Missing":
        """From the NCCL lines of all pods; Missing where none shows a communicator."""
        pods = [p for p in evidence.pods if p.gpus] or evidence.pods
        looks = [evidence.look(p).nccl for p in pods]
        logs = [log for log in looks if isinstance(log, NcclLog)]
        merged = group_of(evidence).log.communicators
        every = [c for c in merged if c.nranks > 1 and not _ended(c)]
        unseen = tuple(alike(log.reason for log in looks if isinstance(log, Missing)))
        if not every:
            return Missing("; ".join(unseen) or "no NCCL communicator is in the logs")
        whole = not unseen and all(log.start_seen and not log.dropped for log in logs)
        odd = misplaced(evidence, every)
        worlds = tuple(replace(w, closed=w.closed and not odd) for w in _worlds(every))
        return cls(worlds=worlds, whole=whole and not odd, unseen=(*unseen, *odd))


def _ended(one: Communicator) -> bool:
    return bool(one.ranks) and all(r.closed for r in one.ranks)


def _worlds(communicators: Iterable[Communicator]) -> tuple[NcclWorld, ...]:
    groups: list[list[Communicator]] = []
    for one in communicators:
        bound = [g for g in groups if any(_processes(c) & _processes(one) for c in g)]
        groups = [g for g in groups if g not in bound]
        groups.append([one, *(c for g in bound for c in g)])
    return tuple(_world(g) for g in groups)


def _processes(one: Communicator) -> set[Process]:
    return {(r.host, r.pid) for r in one.ranks}


def _world(group: list[Communicator]) -> NcclWorld:
    largest = max(group, key=lambda c: c.nranks)
    return NcclWorld(
        processes=tuple(sorted(set().union(*map(_processes, group)))),
        closed=all(len({r.rank for r in c.complete}) == c.nranks for c in group),
        largest=largest.nranks,
        cites=tuple(
            Cite(
                f"rank {r.rank} of {largest.nranks} of communicator {largest.id} is {r.state}"
                f" on {r.host}",
                r.source,
                r.stamp,
            )
            for r in largest.ranks
        ),
    )
