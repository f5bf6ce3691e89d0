"""The NCCL logs of a whole group as one, and the Kubernetes node of each host in them."""

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing, NcclLog, Pod
from distcheck.checks.evidence.nccl import MOST_PEERS, Channels, Communicator, NcclProcess
from distcheck.checks.facts.nccl_now import of_now
from distcheck.checks.facts.sharding_process import RunningRanks
from distcheck.checks.knowledge.nccl_merge import merge

_SUFFIX = re.compile(r"-[a-z0-9]{5}\Z")
_LONGEST = 63  # of a pod's hostname; the kubelet cuts the rest off
_KEPT = "_nccl_group"


class NcclGroup(Struct, frozen=True, dict=True):
    """All pods' NCCL lines put together.

    `logs` are the pods whose logs hold NCCL lines, with what they show; `nodes` maps hosts, as
    NCCL prints them, to Kubernetes nodes where the group's pods tell.
    """

    logs: tuple[tuple[Pod, NcclLog], ...]
    nodes: dict[str, str]

    @cached_property
    def log(self) -> NcclLog:
        """All of `logs` as one."""
        return merge(log for _, log in self.logs)

    @cached_property
    def local_networks(self) -> tuple[Channels, ...]:
        """Channels over a network whose two ends are on one Kubernetes node.

        NCCL counts two pods of one node as two hosts, and goes through a NIC between them.
        """
        seats = {(c.id, r.rank): r.host for c in self.log.communicators for r in c.ranks}
        near = {c.id for c in self.log.communicators if self._on_one_node(c)}
        nets = (c for c in self.log.channels if c.transport.startswith("NET/"))
        return tuple(c for c in nets if c.communicator in near or self._stays(c, seats))

    @cached_property
    def folded_hosts(self) -> tuple[str, ...]:
        """Hosts with a process whose lines come only from logs in which Ray left lines out.

        Words with digits do not count when Ray compares lines, so that `NET/Socket/0` may be
        folded into `NET/IB/0` (ray._private.ray_logging). A log file of one process alone is
        the worker's own, in which nothing is folded.
        """
        whole = {_key(p) for _, log in self.logs for p in _unfolded(log)}
        return tuple(sorted({host for host, _ in set(map(_key, self.log.processes)) - whole}))

    @cached_property
    def second_hand(self) -> frozenset[tuple[str, int]]:
        """Processes that are seen only in Ray's copies, in the log of another pod than theirs.

        What a copy says is so; what none of them says may have been left out.
        """
        told = ((p, p.copied and p.host not in hosts_of(pod)) for pod, p in self._processes())
        own = {_key(p) for p, copied in told if not copied}
        return frozenset(_key(p) for _, p in self._processes() if _key(p) not in own)

    def _processes(self) -> Iterable[tuple[Pod, NcclProcess]]:
        return ((pod, p) for pod, log in self.logs for p in log.processes)

    def home(self, host: str) -> str:
        """The Kubernetes node of `host`, or the host itself where none is known."""
        return self.nodes.get(host, host)

    def spans(self, one: Communicator) -> bool:
        """Whether it has ranks on several nodes: seen there, or counted by NCCL."""
        homes = {self.home(h) for h in one.hosts}
        return len(homes) > 1 or (one.nodes or 1) > max(len(one.hosts), 1)

    def _on_one_node(self, one: Communicator) -> bool:
        return len(one.ranks) == one.nranks and not self.spans(one)

    def _stays(self, one: Channels, seats: dict[tuple[str, int], str]) -> bool:
        """Every peer is known, and on the same node."""
        ends = [seats.get((one.communicator, other)) for _, other in one.peers]
        known = bool(ends) and None not in ends and len(ends) < MOST_PEERS
        return known and {self.home(e) for e in ends if e} == {self.home(one.host)}


def group_of(evidence: Evidence) -> NcclGroup:
    """The group's NCCL logs, put together once for each evidence."""
    kept = evidence.__dict__.get(_KEPT)
    if not isinstance(kept, NcclGroup):
        looks = ((pod, evidence.look(pod).nccl) for pod in evidence.pods)
        running = RunningRanks.fold(evidence)
        logs = tuple(
            (p, of_now(log, running)) for p, log in looks if isinstance(log, NcclLog) and log.lines
        )
        kept = evidence.__dict__[_KEPT] = NcclGroup(logs, _nodes(evidence.pods))
    return kept


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

    The hostname that its spec sets, and where that is not known its name without the random
    suffix, as indexed Jobs and JobSets set it; its name; its node's with host network.
    """
    own = pod.hostname or _SUFFIX.sub("", pod.name)
    names = (pod.name, own, pod.node)
    return tuple(dict.fromkeys(_printed(n) for n in names if n))


def _printed(name: str) -> str:
    return name[:_LONGEST].rstrip("-.").partition(".")[0]


def _nodes(pods: Iterable[Pod]) -> dict[str, str]:
    """Each host's node; a host that pods of several nodes may answer for is left out."""
    found: dict[str, set[str]] = defaultdict(set)
    for pod in pods:
        for host in hosts_of(pod):
            found[host].add(pod.node or "")
    return {h: next(iter(n)) for h, n in found.items() if len(n) == 1 and "" not in n}


def _key(process: NcclProcess) -> tuple[str, int]:
    return process.host, process.pid


def _unfolded(log: NcclLog) -> Iterable[NcclProcess]:
    if not log.folded:
        return log.processes
    held: dict[str, list[NcclProcess]] = defaultdict(list)
    for process in log.processes:
        held[process.source.rpartition(":")[0]].append(process)
    return [one for same in held.values() if len(same) == 1 for one in same]
