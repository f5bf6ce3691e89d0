"""NCCL's failures over a whole group: which one came first, and whom it names."""

import re
from collections.abc import Iterable, Iterator
from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Missing, NcclLog, Pod
from distcheck.checks.evidence.nccl import Failure, Mark
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_coverage import unheard
from distcheck.checks.facts.nccl_group import group_of, hosts_of, nothing_seen
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.knowledge.nccl_failures import (
    EARLIER_JOBS,
    Beside,
    bad_interfaces,
    beside,
    depth,
    file_of,
    first_failure,
    moment,
)

_PEER = re.compile(r"\[?([0-9A-Za-z.:_-]{1,255}?)\]?(?:%[\w.-]{1,32})?<(\d{1,5})>\Z")
_STARTED_AGAIN = "started again"


def rivals(failures: Iterable[Failure], first: Failure) -> tuple[Failure, ...]:
    """Failures of another kind, as deep, of which no time says that `first` came before them."""
    log, at = file_of(first), moment(first.stamp)
    found = (f for f in failures if f.fatal and f.id != first.id and depth(f) == depth(first))
    return tuple(f for f in found if file_of(f) != log and (at is None or moment(f.stamp) is None))


class Failures(Fact, frozen=True, kw_only=True):
    """What went wrong in NCCL over the group, as far as its logs show.

    `past` are failures from before a process or its container started again. `speakers` are
    first lines of the processes that were heard, `info` whether NCCL logs more than warnings;
    `owners` maps addresses of the group to its pods, `interfaces` are those that other pods
    may not reach, `left_out` notes of logs that are not of now, and `apart` says that ranks
    are in several pods.
    """

    failures: tuple[Failure, ...]
    past: tuple[Failure, ...]
    speakers: tuple[Cite, ...]
    info: bool
    owners: dict[str, str]
    interfaces: tuple[Mark, ...] = ()
    left_out: tuple[Mark, ...] = ()
    apart: bool = False

    @property
    def first(self) -> Failure | None:
        """The fatal failure to look at first."""
        return first_failure(self.failures)

    def beside(self, first: Failure) -> tuple[Beside, ...]:
        """Lines that explain `first` and are no failure that ends a communicator."""
        return beside(first, self.failures, self.interfaces, apart=self.apart)

    def peer(self, failure: Failure) -> tuple[str, str, str | None] | None:
        """Address, port and pod that a failure names; None where it names no address."""
        found = _PEER.match(failure.peer or "")
        if found is None:
            return None
        whole, label = found[1], found[1].partition(".")[0]
        return whole, found[2], self.owners.get(whole) or self.owners.get(label)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From the NCCL lines of all pods; a pod with GPUs that is not heard is a gap."""
        group = group_of(evidence)
        if not group.logs:
            return nothing_seen(evidence)
        now = present(evidence, group.log.failures)
        again = (f for f in group.log.failures if not f.fatal and _STARTED_AGAIN in f.says)
        gone = (f for f in group.log.failures if f.fatal and f not in now)
        heard = {
            pod.key
            for pod, log in group.logs
            if any((p.host, p.pid) not in group.second_hand for p in log.processes)
        }
        return cls(
            failures=now,
            past=(*again, *gone),
            speakers=tuple(_speakers(evidence)),
            info=group.log.info,
            owners=_owners(evidence.pods),
            interfaces=bad_interfaces(group.log.marks),
            left_out=tuple(m for m in group.log.marks if m.id == EARLIER_JOBS),
            apart=max(len(evidence.pods), len(group.log.hosts)) > 1,
            gaps=(*_silent(evidence, heard), *_late(evidence), *group.log.dropped),
        )


def _speakers(evidence: Evidence) -> Iterator[Cite]:
    """One line of each pod's log, by a process that is there."""
    for pod, log in group_of(evidence).logs:
        if log.processes:
            says = f"{log.lines} NCCL lines of {pod.name}, no failure among them"
            yield Cite(says, log.processes[0].source)


def _silent(evidence: Evidence, heard: set[str]) -> Iterator[str]:
    group = group_of(evidence)
    for pod in unheard(evidence, group, ((p.host, p.pid) for p in group.log.processes)):
        if pod.key not in heard:
            look = evidence.look(pod).nccl
            yield look.reason if isinstance(look, Missing) else _why_silent(pod, look)


def _why_silent(pod: Pod, log: NcclLog) -> str:
    if log.processes:
        return f"NCCL lines of {pod.name} by a process that still runs"
    return f"no NCCL lines of {pod.name} (silence proves nothing: set NCCL_DEBUG=INFO)"


def _late(evidence: Evidence) -> Iterator[str]:
    """Hosts of ranks whose first lines are lost: a failure may have been among them."""
    log = group_of(evidence).log
    ranked = {(r.host, r.pid) for c in log.communicators for r in c.ranks}
    late = {p.host for p in log.processes if (p.host, p.pid) in ranked and not p.start_seen}
    yield from (f"the first NCCL lines of {host} were not seen" for host in sorted(late))


def _owners(pods: Iterable[Pod]) -> dict[str, str]:
    """Addresses and hostnames of pods; one that several pods have names none of them."""
    owners: dict[str, str] = {}
    shared: set[str] = set()
    for pod in pods:
        for name in {pod.ip, *hosts_of(pod)} - {None}:
            shared |= {str(name)} & owners.keys()
            owners[str(name)] = pod.name
    return {name: pod for name, pod in owners.items() if name not in shared}
