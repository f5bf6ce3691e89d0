"""Services that pods of the group are sent to, and that have nothing behind them."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import (
    Cite,
    Evidence,
    Missing,
    Pod,
    PodLook,
    Processes,
    RayCluster,
)
from distcheck.checks.evidence.policy import Services, ServiceSeen
from distcheck.checks.evidence.rendezvous import NameLookups
from distcheck.checks.facts.bootstrap_ring import bootstrap_of
from distcheck.checks.facts.changed_pods import changed_pods
from distcheck.checks.facts.fact import Fact


class DeadEnd(Struct, frozen=True):
    """A pod that is sent to the address of a Service without a ready pod."""

    pod: str
    service: str
    address: str
    cite: Cite


class ServiceEnds(Fact, frozen=True, kw_only=True):
    """`dead`: kube-proxy rejects what is sent to a ClusterIP without endpoints.

    Connections outlive the endpoints: pods that have met by such a Service need it no more, as
    where the leader is not ready for a moment.
    """

    dead: tuple[DeadEnd, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> "ServiceEnds | Missing":
        """Missing where Services were not listed, or what is behind them was not."""
        seen = evidence.services
        if isinstance(seen, Missing):
            return seen
        if seen.unasked:
            return Missing("; ".join(seen.unasked))
        return cls(dead=tuple(_dead(evidence, seen)))


def _dead(evidence: Evidence, seen: Services) -> Iterator[DeadEnd]:
    empty = {ip: s for s in seen.services if _is_empty(s) for ip in s.cluster_ips}
    ray = {n.ray.address for n in evidence.nodes if isinstance(n.ray, RayCluster)}
    settled = bool(ray) or bootstrap_of(evidence).whole or bool(changed_pods(evidence))
    for pod in evidence.pods if not settled else ():
        for address, where in _used(evidence.look(pod)):
            service = empty.get(address)
            if service is not None and not _is_connected(evidence, pod, service):
                what = f"Service {service.name} at {address} has no ready pod; {where} names it"
                yield DeadEnd(
                    pod.name, service.name, address, Cite(what, seen.source, seen.seen_at)
                )
                break


def _is_connected(evidence: Evidence, pod: Pod, service: ServiceSeen) -> bool:
    """Whether the pod holds a connection to the Service, or another pod one from it at its port."""
    if any(c.remote in service.cluster_ips for c in evidence.look(pod).connections):
        return True
    there = (c for p in evidence.pods if p.key != pod.key for c in evidence.look(p).connections)
    return any(c.remote == pod.ip and c.local_port in service.ports for c in there)


def _is_empty(one: ServiceSeen) -> bool:
    return not one.headless and not one.external_name and not one.addresses


def _used(look: PodLook) -> Iterator[tuple[str, str]]:
    """Addresses that the pod's processes go to, and what names each."""
    if isinstance(look.processes, Processes):
        for process in look.processes.processes:
            for word in process.argv:
                flag, _, value = word.partition("=")
                if flag.replace("_", "-") == "--gcs-address":
                    yield value.rpartition(":")[0].strip("[]"), flag
    if isinstance(look.names, NameLookups):
        for one in look.names.lookups:
            yield from ((address, f"{one.name} ({one.used_for})") for address in one.addresses)
