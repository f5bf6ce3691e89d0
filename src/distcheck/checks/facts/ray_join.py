"""Why a pod is not in Ray: by its own `ray start`, by its container, and by the way to the head."""

import re
from collections.abc import Iterator

from msgspec import field

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, PodLook, PortProbes
from distcheck.checks.evidence.ray import RayCluster, RayLocal
from distcheck.checks.evidence.ray_log import RayLog
from distcheck.checks.facts.age import is_before
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.ray import RayMembership
from distcheck.checks.facts.ray_head import Head, Reason, head_of, head_trouble
from distcheck.checks.facts.ray_member import RayMember, is_loopback
from distcheck.checks.facts.ray_start import LATER_STARTS, STARTS, Witnesses


class RayJoins(Fact, frozen=True, kw_only=True):
    """For each pod that Ray does not have now, why; and what is wrong with the head itself.

    `reasons` are by the pod's name; `head` is there where GCS could not be asked. `unasked` are
    the reasons why not, with the id of each. `hosts` are pods whose VLLM_HOST_IP is not the
    address that Ray knows them by, `claims` the GPUs that each pod's `ray start` told its raylet.
    """

    reasons: dict[str, Reason]
    head: Reason | None = None
    unasked: tuple[tuple[str, str], ...] = ()
    hosts: tuple[Cite, ...] = ()
    claims: dict[str, float] = field(default_factory=dict)

    def plight(self, member: RayMember) -> str:
        """Why it is not in Ray, in words, with its own witnesses' where they say more."""
        why = self.reasons.get(member.name)
        if why is None:
            return member.plight
        return f"{member.plight}; it {why.says}" if member.died else f"{member.label} {why.says}"

    @classmethod
    def fold(cls, evidence: Evidence) -> "RayJoins | Missing":
        """From each pod's own witnesses; empty where every pod is there."""
        ray = folded(RayMembership, evidence)
        cluster = None if isinstance(ray, Missing) else ray.cluster
        if isinstance(ray, Missing):
            gone = [RayMember(p.name, p.ip, p.gpus, is_pod=True) for p in evidence.pods]
            there: list[RayMember] = []
        else:
            gone, there = list(ray.absent), [m for m in ray.expected if m.rows]
        head = head_of(evidence, cluster)
        found = {m.name: _reason(evidence, m, head, cluster) for m in gone}
        return cls(
            reasons={name: why for name, why in found.items() if why is not None},
            head=head_trouble(evidence) if cluster is None else None,
            unasked=tuple(_unasked(evidence)),
            hosts=tuple(_other_addresses(evidence, there)),
            claims=dict(_claims(evidence)),
        )


def _claims(evidence: Evidence) -> Iterator[tuple[str, float]]:
    for pod in evidence.pods:
        local = evidence.look(pod).ray_local
        told = () if isinstance(local, Missing) else local.raylets
        yield from ((pod.name, r.gpus) for r in told[:1] if r.gpus is not None)


def _unasked(evidence: Evidence) -> Iterator[tuple[str, str]]:
    for node in evidence.nodes:
        if isinstance(node.ray, Missing):
            yield node.ray.cause, node.ray.reason


def _reason(
    evidence: Evidence, member: RayMember, head: Head, cluster: RayCluster | None
) -> Reason | None:
    pod = next((p for p in evidence.pods if p.name == member.name), None)
    if pod is None or member.elsewhere:
        return None
    seen = witnesses(evidence, pod, head, cluster)
    steps = STARTS if not member.died else LATER_STARTS
    return next((why for step in steps if (why := step(seen)) is not None), None)


def witnesses(evidence: Evidence, pod: Pod, head: Head, cluster: RayCluster | None) -> Witnesses:
    """All that speaks for one pod; a log older than its container says nothing."""
    look = evidence.look(pod)
    local = look.ray_local if isinstance(look.ray_local, RayLocal) else None
    log = look.ray_log if isinstance(look.ray_log, RayLog) else RayLog()
    said = tuple(s for s in log.said if not is_before(s.seen_at, pod.started_at))
    names = () if isinstance(look.names, Missing) else look.names.lookups
    probes = look.ports.probes if isinstance(look.ports, PortProbes) else ()
    return Witnesses(
        name=pod.name,
        local=local,
        said={s.id: s for s in said},
        lookups=tuple(names),
        probes=tuple(p for p in probes if (p.address, p.port) in head.addresses),
        head=head,
        services=_service_ips(evidence),
        version="" if cluster is None else cluster.version,
        cluster_id="" if cluster is None else cluster.cluster_id,
        seen_at=None if local is None else local.seen_at,
        probed_at=look.ports.seen_at if isinstance(look.ports, PortProbes) else None,
        names_at=None if isinstance(look.names, Missing) else look.names.seen_at,
    )


def _service_ips(evidence: Evidence) -> frozenset[str] | None:
    """Addresses that stand for others; None where Services were not listed."""
    if isinstance(evidence.services, Missing):
        return None
    return frozenset(ip for s in evidence.services.services for ip in s.cluster_ips)


_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}\Z", re.ASCII)


def _other_addresses(evidence: Evidence, there: list[RayMember]) -> Iterator[Cite]:
    pods = {p.name: p for p in evidence.pods}
    for member in there:
        pod = pods.get(member.name)
        if pod is None or member.misplaced:
            continue
        told = _host_ip(evidence.look(pod))
        ips = [r.ip for r in member.rows]
        if _IPV4.match(told) and told not in ips and not is_loopback(told):
            what = f"VLLM_HOST_IP of {pod.name} is {told}, and Ray knows it as {ips[0]}"
            yield Cite(what, f"environment of {pod.name}")


def _host_ip(look: PodLook) -> str:
    seen = look.processes
    return "" if isinstance(seen, Missing) else seen.environ.get("VLLM_HOST_IP", "")
