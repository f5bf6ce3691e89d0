"""RAS asked for all pods of one question: once for each job, with what it said before."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct, structs

from distcheck.agent.netns import is_same
from distcheck.agent.probes import ports, ras, sockets
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.ras_client import RasAddress
from distcheck.agent.rights import ENTERING, why_refused
from distcheck.agent.settings import Settings
from distcheck.checks.evidence.ras import RasCommunicator, RasStatus

_APART, _LONGEST = 1.5, 1800.0
"""Seconds: samples closer than this are one; older ones than that are forgotten."""
_MOST = 64
SHARED = "the pod is on the node's own network, and RAS's text does not tell jobs apart"


class RasPod(Struct, frozen=True):
    """A pod to ask in: its name, a process of it, and all numbers inside its containers."""

    name: str
    main: Task
    environ: dict[str, str]
    pids: frozenset[int]


class _Sample(Struct, frozen=True):
    moment: float
    pod: str
    seen_at: str
    communicators: tuple[RasCommunicator, ...]


class RasMemory:
    """What RAS said to earlier looks of this agent, newest last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: list[_Sample] = []
        self._lock = threading.Lock()

    def with_before(self, pod: str, status: RasStatus) -> RasStatus:
        """`status` with the earliest answer of its job since which nothing uneven has moved.

        Else with the last one. Each answer takes its place among those that are kept.
        """
        now = self._clock()
        with self._lock:
            kept = [s for s in self._samples if now - s.moment <= _LONGEST][-_MOST + 1 :]
            mine = [s for s in kept if now - s.moment >= _APART and _same_job(s, pod, status)]
            this = _Sample(now, pod, status.seen_at or "", status.communicators)
            self._samples = [*kept, this]
        before = _earliest(mine, status)
        if before is None:
            return status
        return structs.replace(status, before=before.communicators, before_at=before.seen_at)


def _same_job(sample: _Sample, pod: str, status: RasStatus) -> bool:
    """A communicator's hash is the job's own; text names none where all is well."""
    then, now = ({c.hash for c in s.communicators} for s in (sample, status))
    return sample.pod == pod or any(h.startswith("0x") for h in then & now)


def _earliest(mine: Sequence[_Sample], status: RasStatus) -> _Sample | None:
    found = None
    for sample in reversed(mine):
        if found is not None and not _stood_still(sample, status):
            break
        found = sample
        if not _stood_still(sample, status):
            break
    return found


def _stood_still(sample: _Sample, status: RasStatus) -> bool:
    then = {c.hash: c for c in sample.communicators}
    odd = [c for c in status.communicators if c.unsettled]
    return bool(odd) and all(then.get(c.hash) == c for c in odd)


class RasRound:
    """One question's looks: pods of a job that has answered already are not asked again."""

    def __init__(self, settings: Settings, memory: RasMemory, now: str) -> None:
        self._settings, self._memory, self._now = settings, memory, now
        self._answered: dict[str, str] = {}
        self._one_at_a_time = threading.Lock()

    def look(self, pod: RasPod) -> RasStatus:
        """What RAS says to this pod.

        Raises:
            ProbeError: it was not asked, or did not answer; the message says why.
            OSError: the process is gone.
        """
        namespace = Path(self._settings.host_proc) / str(pod.main.pid) / "ns" / "net"
        listeners = sockets.listeners(self._settings.host_proc, pod.main.pid)
        found = ras.listening(listeners, pod.environ, namespace)
        with self._one_at_a_time:
            self._refuse_twice(pod)
            status = self._memory.with_before(pod.name, self._asked(namespace, found, pod))
            if status.format == "text" and self._is_shared(namespace):
                status = structs.replace(status, notes=(SHARED,))
            hosts = {r.host for c in status.communicators for r in c.ranks if r.host}
            self._answered |= dict.fromkeys(hosts, pod.name)
        return status

    def _is_shared(self, namespace: Path) -> bool:
        """Whether it is the node's own, in which other jobs may answer on the same port."""
        return is_same(Path(self._settings.host_proc) / "1" / "ns" / "net", namespace)

    def _refuse_twice(self, pod: RasPod) -> None:
        own = sockets.own_addresses(self._settings.host_proc, pod.main.pid)
        asked = next((self._answered[a] for a in sorted(own) if a in self._answered), None)
        if asked is not None:
            raise ProbeError(f"RAS in {asked} answers for the processes of {pod.name}, too")

    def _asked(self, namespace: Path, found: list[RasAddress], pod: RasPod) -> RasStatus:
        try:
            if not ports.is_own(namespace) and not self._settings.port_probes:
                node = self._settings.node
                raise ProbeError(f"looks from inside pods are off on {node}: {found[0]} not asked")
            return ras.look(found, pod.pids, self._now)
        except OSError as error:
            refused = why_refused(error, "NCCL's RAS", ENTERING)
            raise ProbeError(refused or str(error)) from error
