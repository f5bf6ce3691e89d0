"""Which ports a group really uses, as the evidence of the first round names them."""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from distcheck.checks.evidence import Missing, NodeLook, Pod, Processes, RayCluster, VllmLog

_GCS_FLAG = "--gcs-address"


class Peer(Struct, frozen=True, order=True):
    """One address of one pod to try: `service` says what uses it."""

    pod: str
    ip: str
    port: int
    service: str

    def parameter(self) -> str:
        """The value of the agent's `peer` parameter."""
        return f"{self.pod}|{self.ip}|{self.port}|{self.service}"


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
