"""What the group's NCCL logs cover: which pods' ranks they show, and where those ranks are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from distcheck.checks.evidence import Evidence, Missing, NcclLog, Pod
from distcheck.checks.evidence.nccl import Communicator
from distcheck.checks.facts.engine_gone import gone_gaps
from distcheck.checks.facts.nccl_group import NcclGroup, hosts_of
from distcheck.checks.knowledge import initialisation
from distcheck.checks.knowledge.rank_ranges import gaps, spans


def live(communicators: Iterable[Communicator]) -> tuple[Communicator, ...]:
    """Communicators that count: not ended on every rank that was seen."""
    return tuple(c for c in communicators if not all(r.closed for r in c.ranks))


def coverage_gaps(evidence: Evidence, group: NcclGroup) -> tuple[str, ...]:
    """Where the ranks that the logs show, and the pods with GPUs, do not match."""
    counted = live(group.log.communicators) or group.log.communicators
    silent = (_silence(evidence, group, pod) for pod in without_ranks(evidence, group))
    ended = gone_gaps(evidence)
    return (*silent, *misplaced(evidence, counted), *unsettled(group.log), *ended)


def without_ranks(evidence: Evidence, group: NcclGroup) -> tuple[Pod, ...]:
    """Pods with GPUs of which no rank is heard, but for Ray's copies in another pod's log."""
    every = live(group.log.communicators) or group.log.communicators
    return unheard(evidence, group, ((r.host, r.pid) for c in every for r in c.ranks))


def unheard(
    evidence: Evidence, group: NcclGroup, processes: Iterable[tuple[str, int]]
) -> tuple[Pod, ...]:
    """Pods with GPUs that answer for none of `processes`, each `(host, pid)`.

    Ray prints its workers' lines in the driver's log as well: that is not the worker's pod.
    """
    heard = {host for host, _ in set(processes) - group.second_hand}
    return tuple(p for p in evidence.pods if p.gpus and not heard.intersection(hosts_of(p)))


def _silence(evidence: Evidence, group: NcclGroup, pod: Pod) -> str:
    look = evidence.look(pod).nccl
    if isinstance(look, Missing):
        return look.reason
    copied = {host for host, _ in group.second_hand}.intersection(hosts_of(pod))
    more = " but Ray's copies in the log of another pod" if copied else ""
    return f"no NCCL ranks of {pod.name}{more}"


def unsettled(log: NcclLog) -> Iterator[str]:
    """Processes that began, of which nothing shows that they came through."""
    again = {p.host for p in log.processes if p.again}
    alone = {p.host for p in initialisation.without_rank(log)} - again
    planned = {c.host for c in initialisation.planned_only(log)}
    yield from (f"how far the last start of NCCL on {host} came" for host in sorted(again))
    yield from (f"a rank of every process on {host} that chose a network" for host in sorted(alone))
    yield from (
        f"that {host} has connected what it planned to other nodes" for host in sorted(planned)
    )


def misplaced(evidence: Evidence, communicators: Iterable[Communicator]) -> tuple[str, ...]:
    """Hosts that no pod of the group answers for, or with more ranks than GPUs."""
    found = sorted(held_by_host(communicators).items())
    gpus: dict[str, list[int]] = defaultdict(list)
    for pod in evidence.pods:
        for host in hosts_of(pod):
            gpus[host].append(pod.gpus)
    gaps = (_misplaced(gpus.get(host, []), host, count) for host, count in found)
    return tuple(gap for gap in gaps if gap)


def held_by_host(communicators: Iterable[Communicator]) -> dict[str, int]:
    """Ranks on each host: processes, or GPUs of a process that holds several.

    One process is one rank of the group, in however many communicators it is.
    """
    buses: dict[tuple[str, int], set[str]] = defaultdict(set)
    for rank in (r for c in communicators for r in c.ranks):
        buses[rank.host, rank.pid].add(rank.bus_id)
    held: dict[str, int] = defaultdict(int)
    for (host, _), named in buses.items():
        held[host] += max(len(named - {""}), 1)
    return held


def _misplaced(gpus: list[int], host: str, count: int) -> str | None:
    if not gpus:
        return f"NCCL ranks are on {host}, which is no pod of the group"
    crowded = count > sum(gpus) > 0
    return f"{count} NCCL ranks are on {host}, which has {sum(gpus)} GPUs" if crowded else None


def gone(one: Communicator) -> str:
    """The ranks of a communicator that were not seen, as ranges: the first eight of them."""
    return f"rank {spans(gaps((r.rank for r in one.ranks), one.nranks), 8)}"
