"""Which ports a group really uses, as the evidence of the first round names them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from distcheck.agent.listening import NCCL, UNUSED
from distcheck.checks.evidence import Missing, NodeLook, Pod, Processes, RayCluster, VllmLog

_GCS_FLAG = "--gcs-address"
_TELLING = ("gcs", "rendezvous", NCCL, UNUSED, "node_manager", "object_manager")
_ALL_PAIRS, _MOST = 16, 64


class Peer(Struct, frozen=True, order=True):
    """One address of one pod to try: `service` says what uses it, `nonce` what it says."""

    pod: str
    ip: str
    port: int
    service: str
    nonce: str = ""

    def parameter(self) -> str:
        """The value of the agent's `peer` parameter."""
        said = f"|{self.nonce}" if self.nonce else ""
        return f"{self.pod}|{self.ip}|{self.port}|{self.service}{said}"


def chosen(peers: Sequence[Peer], own: Sequence[Pod], group: Sequence[Pod]) -> tuple[Peer, ...]:
    """What one node's pods try, the most telling first; as much as an agent does for a pod.

    In a group of more than 16 pods the leader tries one port of every pod, and the others
    those of the leader and of their neighbours.
    """
    ordered = sorted(peers, key=lambda p: (_order(p.service), p.pod))
    if len(group) > _ALL_PAIRS:
        near = _near(own, group)
        once = {p.pod: p for p in reversed(ordered)}
        ordered = [p for p in ordered if p.pod in near or (p.pod in once and p is once[p.pod])]
        ordered = [p for p in ordered if p.pod in near or any(_leads(o, group) for o in own)]
    return tuple(ordered[:_MOST])


def _near(own: Sequence[Pod], group: Sequence[Pod]) -> set[str]:
    at = [n for n, p in enumerate(group) if p in own]
    around = {group[(n + step) % len(group)].key for n in at for step in (-1, 1)}
    return around | {p.key for p in group if _leads(p, group)}


def _leads(pod: Pod, group: Sequence[Pod]) -> bool:
    return pod == next((p for p in group if p.role == "leader"), group[0])


def _order(service: str) -> int:
    return _TELLING.index(service) if service in _TELLING else len(_TELLING)


def used_ports(pods: Iterable[Pod], looks: Iterable[NodeLook]) -> tuple[Peer, ...]:
    """Every address that some rank or raylet of this group has to reach."""
    by_ip = {p.ip: p.key for p in pods if p.ip}
    found = {
        Peer(by_ip[ip], ip, port, service)
        for look in looks
        for ip, port, service in _named(look)
        if ip in by_ip and port > 0
    }
    return tuple(sorted(found))


def _named(look: NodeLook) -> Iterator[tuple[str, int, str]]:
    if isinstance(look.ray, RayCluster):
        yield from _of_ray(look.ray)
    for pod in look.pods:
        yield from _of_raylets(pod.processes)
        yield from _of_engine(pod.vllm)


def _of_ray(cluster: RayCluster) -> Iterator[tuple[str, int, str]]:
    yield _split(cluster.address, "gcs")
    for node in cluster.nodes:
        if node.alive:
            yield node.ip, node.node_manager_port, "node_manager"
            yield node.ip, node.object_manager_port, "object_manager"


def _of_raylets(processes: Processes | Missing) -> Iterator[tuple[str, int, str]]:
    for process in () if isinstance(processes, Missing) else processes.processes:
        for word, following in zip(process.argv, (*process.argv[1:], ""), strict=False):
            flag, equals, value = word.replace("_", "-").partition("=")
            if flag == _GCS_FLAG:
                yield _split(value if equals else following, "gcs")


def _of_engine(log: VllmLog | Missing) -> Iterator[tuple[str, int, str]]:
    """Where ranks meet, unless all that meet there are in this one pod."""
    ranks = () if isinstance(log, Missing) else log.ranks
    here = Counter(r.init_method for r in ranks if not r.host)
    for rank in ranks:
        if rank.init_method and here[rank.init_method] < rank.world_size:
            yield _split(rank.init_method.partition("://")[2], "rendezvous")


def _split(address: str, service: str) -> tuple[str, int, str]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port) if port.isdecimal() else 0, service
