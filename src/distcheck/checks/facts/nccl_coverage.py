"""What the group's NCCL logs cover: which pods' ranks they show, and where those ranks are."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from distcheck.checks.evidence import Evidence, Missing, NcclLog, Pod
from distcheck.checks.evidence.nccl import Communicator

_SUFFIX = re.compile(r"-[a-z0-9]{5}\Z")


def live(communicators: Iterable[Communicator]) -> tuple[Communicator, ...]:
    """Communicators that count: not ended on every rank that was seen."""
    return tuple(c for c in communicators if not all(r.closed for r in c.ranks))


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
    """What NCCL may print as this pod's host, up to the first dot.

    Its name; that name without the random suffix, as indexed Jobs and JobSets set it; or
    its node's name with host network.
    """
    names = (pod.name, _SUFFIX.sub("", pod.name), pod.node)
    return tuple(dict.fromkeys(n.partition(".")[0] for n in names if n))


def coverage_gaps(evidence: Evidence, log: NcclLog) -> tuple[str, ...]:
    """Where the ranks that the logs show, and the pods with GPUs, do not match."""
    counted = live(log.communicators) or log.communicators
    held = _held(counted)
    return (*_without_ranks(evidence, set(held)), *misplaced(evidence, counted))


def misplaced(evidence: Evidence, communicators: Iterable[Communicator]) -> tuple[str, ...]:
    """Hosts that no pod of the group answers for, or with more ranks than GPUs."""
    found = sorted(_held(communicators).items())
    gpus: dict[str, list[int]] = defaultdict(list)
    for pod in evidence.pods:
        for host in hosts_of(pod):
            gpus[host].append(pod.gpus)
    gaps = (_misplaced(gpus.get(host, []), host, count) for host, count in found)
    return tuple(gap for gap in gaps if gap)


def _held(communicators: Iterable[Communicator]) -> dict[str, int]:
    """Ranks on each host: processes, or GPUs of a process that holds several."""
    buses: dict[tuple[str, int], set[str]] = defaultdict(set)
    for rank in (r for c in communicators for r in c.ranks):
        buses[rank.host, rank.pid].add(rank.bus_id)
    held: dict[str, int] = defaultdict(int)
    for (host, _), named in buses.items():
        held[host] += max(len(named - {""}), 1)
    return held


def _without_ranks(evidence: Evidence, hosts: set[str]) -> Iterator[str]:
    """Pods with GPUs of which no log shows a rank.

    Ray prints its workers' lines in the driver's log: such a worker pod is covered.
    """
    for pod in evidence.pods:
        if pod.gpus and not hosts.intersection(hosts_of(pod)):
            look = evidence.look(pod).nccl
            yield look.reason if isinstance(look, Missing) else f"no NCCL ranks of {pod.name}"


def _misplaced(gpus: list[int], host: str, count: int) -> str | None:
    if not gpus:
        return f"NCCL ranks are on {host}, which is no pod of the group"
    crowded = count > sum(gpus) > 0
    return f"{count} NCCL ranks are on {host}, which has {sum(gpus)} GPUs" if crowded else None
