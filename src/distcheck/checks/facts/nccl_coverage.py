"""What the group's NCCL logs cover: which pods' ranks they show, and where those ranks are."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from distcheck.checks.evidence import Evidence, Missing, NcclLog, Pod
from distcheck.checks.evidence.nccl import Communicator
from distcheck.checks.facts.nccl_group import hosts_of
from distcheck.checks.knowledge import initialisation
from distcheck.checks.knowledge.rank_ranges import gaps, spans


def live(communicators: Iterable[Communicator]) -> tuple[Communicator, ...]:
    """Communicators that count: not ended on every rank that was seen."""
    return tuple(c for c in communicators if not all(r.closed for r in c.ranks))


def coverage_gaps(evidence: Evidence, log: NcclLog) -> tuple[str, ...]:
    """Where the ranks that the logs show, and the pods with GPUs, do not match."""
    counted = live(log.communicators) or log.communicators
    silent = (_silence(evidence, pod) for pod in unheard(evidence, held_by_host(counted)))
    return (*silent, *misplaced(evidence, counted), *unsettled(log))


def unheard(evidence: Evidence, hosts: Iterable[str]) -> Iterator[Pod]:
    """Pods with GPUs that answer for none of `hosts`.

    Ray prints its workers' lines in the driver's log: such a worker pod is heard.
    """
    heard = set(hosts)
    return (p for p in evidence.pods if p.gpus and not heard.intersection(hosts_of(p)))


def _silence(evidence: Evidence, pod: Pod) -> str:
    look = evidence.look(pod).nccl
    return look.reason if isinstance(look, Missing) else f"no NCCL ranks of {pod.name}"


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
