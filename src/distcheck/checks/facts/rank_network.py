"""What the kernel shows of the network of one pod's ranks: flows, queue pairs, devices."""

from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing, Pod, Processes
from distcheck.checks.evidence.flows import TcpFlow, TcpFlows
from distcheck.checks.evidence.open_devices import OpenDevices
from distcheck.checks.evidence.rdma import QueuePair, QueuePairs, RdmaDevices
from distcheck.checks.facts.age import seconds
from distcheck.checks.facts.hca_growth import sent_over
from distcheck.checks.facts.sharding_process import RANK_TITLES, gpu_processes
from distcheck.checks.knowledge.rdma import is_efa

Ends = tuple[str, int, str, int]
_CONNECTIONLESS = ("UD", "DRIVER", "SRD", "DCI", "DCT")
_SRD = ("DRIVER", "SRD")
_LATELY = 900


class RankNetwork(Struct, frozen=True, dict=True):
    """Of one pod: the host's numbers of its ranks, and what was seen of what they hold."""

    pod: Pod
    ranks: frozenset[int]
    flows: TcpFlows | Missing
    queue_pairs: QueuePairs | Missing
    opened: OpenDevices | Missing
    hcas: RdmaDevices | Missing

    @cached_property
    def addresses(self) -> frozenset[str]:
        """Its own: that of the pod, and those that its connections start from."""
        seen = () if isinstance(self.flows, Missing) else self.flows.flows
        return frozenset(f.local for f in seen) | ({self.pod.ip} if self.pod.ip else set())

    @cached_property
    def mine(self) -> tuple[TcpFlow, ...]:
        """The connections that its ranks hold, or may hold: the owner of some is not known."""
        if isinstance(self.flows, Missing):
            return ()
        unsure = not self.ranks <= set(self.flows.owned)
        held = self.ranks | ({0} if unsure else set())
        return tuple(f for f in self.flows.flows if f.pid in held)

    @property
    def at_most_unseen(self) -> int:
        """Bytes that the connections beyond those that are kept carried, at most."""
        seen = self.flows
        if isinstance(seen, Missing) or not seen.dropped or not seen.flows:
            return 0
        return seen.dropped * carried(seen.flows[-1])

    @cached_property
    def before(self) -> dict[Ends, int]:
        """What each connection had carried in the look before."""
        earlier = () if isinstance(self.flows, Missing) else self.flows.before
        return {ends(f): carried(f) for f in earlier}

    @cached_property
    def owners(self) -> dict[Ends, int]:
        """The process that holds each connection; 0 where it is not known."""
        seen = () if isinstance(self.flows, Missing) else self.flows.flows
        return {ends(f): f.pid for f in seen}

    @cached_property
    def seconds_apart(self) -> bool:
        """Whether there was a look before, at another time, and not long ago.

        In hours even what is said to keep in step adds up.
        """
        if isinstance(self.flows, Missing):
            return False
        then, now = seconds(self.flows.before_at), seconds(self.flows.seen_at)
        return then is not None and now is not None and 0 < now - then <= _LATELY

    @property
    def connected(self) -> Iterator[QueuePair]:
        """Its ranks' queue pairs that have another one as their peer, ready to send.

        One that is its own peer is what NCCL flushes with.
        """
        for pair in self._ready():
            if pair.type == "RC" and pair.remote_qpn not in (None, 0, pair.local_qpn):
                yield pair

    @property
    def connectionless(self) -> bool:
        """Whether each of its ranks has a queue pair that sends to many, as EFA's do."""
        held = {p.pid for p in self._ready() if p.type in _CONNECTIONLESS}
        return bool(self.ranks) and self.ranks <= held

    @property
    def on_efa(self) -> bool:
        """Whether each of its ranks has a queue pair of EFA's own type, on an EFA device.

        That is what NCCL's plugin uses there. NCCL itself has RC only: what else sends to many
        is another's. A kernel that does not name the type says that it is the driver's.
        """
        ports = self.hcas.ports if isinstance(self.hcas, RdmaDevices) else ()
        efa = {p.device for p in ports if is_efa(p)}
        held = {p.pid for p in self._ready() if p.type in _SRD and p.device in efa}
        return bool(self.ranks) and self.ranks <= held

    @property
    def devices(self) -> frozenset[str]:
        """The HCAs of its ranks' queue pairs that are ready."""
        return frozenset(p.device for p in self._ready())

    @property
    def holds_hca(self) -> bool:
        """Whether every rank is seen to hold an HCA open."""
        verbs = {pid for pid, files in self._files() if any(f.startswith("uverbs") for f in files)}
        return bool(self.ranks) and self.ranks <= verbs

    @property
    def reaches_hca(self) -> bool:
        """Whether every rank is seen to hold an HCA open, or a queue pair that is ready."""
        if isinstance(self.opened, OpenDevices):
            return self.holds_hca
        return bool(self.ranks) and self.ranks <= {p.pid for p in self._ready()}

    @property
    def bare(self) -> bool:
        """Whether no rank holds any device that could carry its traffic past TCP."""
        opened = self.opened
        if isinstance(opened, Missing) or not self.ranks:
            return False
        some = isinstance(self.queue_pairs, QueuePairs) and any(self._ready())
        return self.ranks <= set(opened.read) and not dict(self._files()) and not some

    def grown_over_hcas(self) -> int | None:
        """Bytes that the HCAs of its ranks' queue pairs sent since the look before.

        None where that was not seen, or where others have queue pairs on them, or none has.
        """
        seen, used = self.queue_pairs, self.devices
        if isinstance(seen, Missing) or not used:
            return None
        unread = {name.partition(":")[0] for name in seen.unread}
        if used & {*seen.shared, *unread}:
            return None
        return None if isinstance(self.hcas, Missing) else sent_over(self.hcas, used)

    def _ready(self) -> Iterator[QueuePair]:
        if isinstance(self.queue_pairs, QueuePairs):
            yield from (
                p for p in self.queue_pairs.pairs if p.state == "RTS" and p.pid in self.ranks
            )

    def _files(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        if isinstance(self.opened, OpenDevices):
            yield from ((o.pid, o.files) for o in self.opened.processes if o.pid in self.ranks)


def rank_networks(evidence: Evidence) -> tuple[RankNetwork, ...]:
    """Of every pod that has, or should have, ranks."""
    return tuple(_of(evidence, pod) for pod in evidence.pods if pod.gpus or _ranks(evidence, pod))


def ends(flow: TcpFlow) -> Ends:
    """What tells a connection from others at this end."""
    return flow.local, flow.local_port, flow.remote, flow.remote_port


def carried(flow: TcpFlow) -> int:
    """Bytes in both directions."""
    return flow.sent_bytes + flow.received_bytes


def _of(evidence: Evidence, pod: Pod) -> RankNetwork:
    look = evidence.look(pod)
    node = None if pod.node is None else evidence.node(pod.node)
    hcas = Missing("its node was not looked at") if node is None else node.rdma
    ranks = frozenset(_ranks(evidence, pod))
    return RankNetwork(pod, ranks, look.flows, look.queue_pairs, look.open_devices, hcas)


def _ranks(evidence: Evidence, pod: Pod) -> set[int]:
    """Those on a GPU that are ranks by their titles; else by either alone."""
    on_gpus = gpu_processes(evidence, pod)
    seen = evidence.look(pod).processes
    listed = seen.processes if isinstance(seen, Processes) else ()
    named = [(p.pid, p.title) for p in on_gpus] + [(p.pid, p.title) for p in listed]
    titled = {pid for pid, title in named if title.startswith(RANK_TITLES)}
    holders = {p.pid for p in on_gpus}
    return titled & holders or titled or holders
