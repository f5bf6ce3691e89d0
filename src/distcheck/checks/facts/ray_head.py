"""Where the group's Ray head is, and what is wrong with it where its GCS does not tell."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, RayCluster
from distcheck.checks.evidence.ray import GCS_REFUSED, RayLocal
from distcheck.checks.facts.ray_member import is_loopback


class Reason(Struct, frozen=True):
    """Why a node is not in Ray: the cause's id, what it does (`has no token`), what to do."""

    cause: str
    says: str
    cites: tuple[Cite, ...] = ()
    remedy: str | None = None


class Head(Struct, frozen=True):
    """Every address and port of the GCS that is known; `started_ms` is 0 where nothing says it.

    `python` is the Python of its container, empty where that was not read.
    """

    addresses: frozenset[tuple[str, int]] = frozenset()
    started_ms: int = 0
    python: str = ""
    ray: str = ""

    @property
    def told(self) -> str:
        """One address of it for messages: an IP before a name."""
        every = sorted(self.addresses, key=lambda a: (not a[0][:1].isdigit(), a))
        return ":".join(map(str, every[0])) if every else "the head"

    @property
    def ips(self) -> set[str]:
        """Its addresses without the ports."""
        return {host for host, _ in self.addresses}

    @property
    def ports(self) -> set[int]:
        """Its ports."""
        return {port for _, port in self.addresses}


def host_port(address: str) -> tuple[str, int]:
    """`(host, port)`; port 0 where the address names none."""
    host, _, port = address.strip().rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or len(port) > 5:
        return address.strip().strip("[]"), 0
    return host.strip("[]"), int(port)


def head_of(evidence: Evidence, cluster: RayCluster | None) -> Head:
    """From the answer of GCS, else from the `gcs_server` that runs in a pod of the group."""
    locals_ = [(p, look) for p in evidence.pods if (look := _local(evidence, p)) is not None]
    with_gcs = [(p, look) for p, look in locals_ if look.heads]
    found: set[tuple[str, int]] = set()
    started = 0
    if cluster is not None:
        host, port = host_port(cluster.address)
        rows = [n for n in cluster.nodes if n.is_head and n.alive]
        found = {(host, port), *((n.ip, port) for n in rows)}
        started = max((n.start_ms for n in rows), default=0)
    for pod, look in with_gcs:
        ports = {host_port(h.address)[1] for h in look.heads} - {0}
        found |= {(pod.ip, p) for p in ports if pod.ip and cluster is None}
    head_ips = {host for host, _ in found}
    own = next((look for p, look in locals_ if p.ip in head_ips or look.heads), None)
    return Head(
        frozenset(found),
        started,
        "" if own is None else own.python_version,
        "" if own is None else own.ray_version,
    )


def _local(evidence: Evidence, pod: Pod) -> RayLocal | None:
    seen = evidence.look(pod).ray_local
    return seen if isinstance(seen, RayLocal) else None


def head_trouble(evidence: Evidence) -> Reason | None:
    """What shows, without an answer of GCS, that no node can join it."""
    return next(iter((*_on_loopback(evidence), *_refused(evidence))), None)


def _on_loopback(evidence: Evidence) -> Iterator[Reason]:
    if len(evidence.pods) < 2:
        return
    for pod in evidence.pods:
        local = _local(evidence, pod)
        if local is None or not local.heads or (pod.ip and is_loopback(pod.ip)):
            continue
        told = [*(h.address for h in local.heads), *(r.node_ip for r in local.raylets)]
        where = next((a for a in told if is_loopback(a.strip("["))), None)
        if where is not None:
            cite = Cite(f"the head in {pod.name} has the address {where}", local.source)
            says = f"the head in {pod.name} is on loopback ({where}): no other pod can reach it"
            yield Reason("head_on_loopback", says, (cite,), LOOPBACK)


LOOPBACK = (
    "Give the head `ray start --head --node-ip-address` with its pod's IP (status.podIP). Ray "
    "takes loopback where it finds no way out at its start: no default route, or a name that does "
    "not resolve."
)


def _refused(evidence: Evidence) -> Iterator[Reason]:
    """Asked on a node of the group's own pods: an address that a caller gave may be mistyped."""
    for node in (n for n in evidence.nodes if n.pods):
        if isinstance(node.ray, Missing) and node.ray.cause == GCS_REFUSED:
            cite = Cite(node.ray.reason, f"the agent on {node.node}", node.observed_at)
            says = f"nothing listens on the port of Ray's GCS ({node.ray.reason})"
            remedy = (
                "Read the head's log: its GCS has ended or has not started. The raylets end "
                "about a minute after it, so restart the workers too."
            )
            yield Reason("gcs_unreachable", says, (cite,), remedy)
