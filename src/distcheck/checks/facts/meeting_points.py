"""Addresses that pods of the group have to reach, as Ray and the engine name them."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import Evidence, RayCluster, VllmLog

GCS, RENDEZVOUS = "gcs", "rendezvous"


class Listening(Struct, frozen=True, order=True):
    """A port of a pod that something of the group listens on."""

    ip: str
    port: int
    service: str


def meeting_points(evidence: Evidence) -> dict[str, tuple[Listening, ...]]:
    """What each pod (by key) has to reach: Ray's GCS, and where its own ranks meet the others."""
    gcs = set(_gcs(evidence))
    ranks: dict[str | None, set[Listening]] = {}
    for ip, point in _rendezvous(evidence):
        ranks.setdefault(ip, set()).add(point)
    return {p.key: tuple(sorted(gcs.union(ranks.get(p.ip, ())))) for p in evidence.pods}


def listening(evidence: Evidence) -> tuple[Listening, ...]:
    """Every port of which evidence says that the group listens on it."""
    meeting = (point for _, point in _rendezvous(evidence))
    return tuple(sorted({*_gcs(evidence), *meeting, *_raylets(evidence)}))


def _clusters(evidence: Evidence) -> Iterator[RayCluster]:
    yield from (n.ray for n in evidence.nodes if isinstance(n.ray, RayCluster))


def _gcs(evidence: Evidence) -> Iterator[Listening]:
    for cluster in _clusters(evidence):
        yield from _at(cluster.address, GCS)


def _rendezvous(evidence: Evidence) -> Iterator[tuple[str | None, Listening]]:
    """(address of a rank's pod, where it meets the others: `tcp://10.0.0.2:41000`)."""
    for pod in evidence.pods:
        log = evidence.look(pod).vllm
        for rank in log.ranks if isinstance(log, VllmLog) else ():
            for point in _at((rank.init_method or "").partition("://")[2], RENDEZVOUS):
                yield rank.host or pod.ip, point


def _raylets(evidence: Evidence) -> Iterator[Listening]:
    for node in (n for cluster in _clusters(evidence) for n in cluster.nodes if n.alive):
        yield Listening(node.ip, node.node_manager_port, "node_manager")
        yield Listening(node.ip, node.object_manager_port, "object_manager")


def _at(address: str, service: str) -> Iterator[Listening]:
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        yield Listening(host.strip("[]"), int(port), service)
