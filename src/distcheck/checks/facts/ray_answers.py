"""Several agents' answers of one Ray cluster: the latest counts, and where they differ is told."""

from collections.abc import Iterable, Iterator, Sequence

from distcheck.checks.evidence import Evidence, Pod, RayCluster
from distcheck.checks.evidence.ray import RayLocal
from distcheck.checks.facts.ray_member import is_loopback, member_of

_Rank = tuple[bool, bool, bool]


def latest(seen: Sequence[RayCluster], evidence: Evidence) -> list[RayCluster]:
    """The latest answer of each cluster, the group's own first.

    Own is the one that the processes of its leader, then of its other pods, belong to, then
    the one whose head is the leader; where nothing says it, the one that knows most pods.
    """
    ips = {p.ip for p in evidence.pods}
    ranked = sorted(seen, key=lambda c: (c.seen_at or "", _known(c, ips)), reverse=True)
    kept: list[RayCluster] = []
    for one in ranked:
        if not any(_same(one, other) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda c: (_named(c, evidence), _known(c, ips)), reverse=True)


def rivals(kept: Sequence[RayCluster], evidence: Evidence) -> Iterator[str]:
    """Where several clusters know pods of the group, and nothing says more for the first."""
    ips = {p.ip for p in evidence.pods}
    first = _named(kept[0], evidence)
    alike = [c for c in kept if _known(c, ips) and _named(c, evidence) == first]
    if len(alike) > 1:
        where = " and ".join(c.address for c in alike[:2])
        yield f"which Ray is the group's: {where} both have nodes at addresses of its pods"


def _named(cluster: RayCluster, evidence: Evidence) -> _Rank:
    """Whether the leader's processes, the leader's address or another pod's processes name it."""
    leaders = [p for p in evidence.pods if p.role == "leader"]
    heads = {n.ip for n in cluster.nodes if n.is_head and n.alive}
    return (
        any(_belongs(evidence, p, cluster) for p in leaders),
        any(p.ip in heads for p in leaders),
        any(_belongs(evidence, p, cluster) for p in evidence.pods),
    )


def _belongs(evidence: Evidence, pod: Pod, cluster: RayCluster) -> bool:
    """A raylet of `pod` has joined it, by its id or, where it tells none, by its address."""
    local = evidence.look(pod).ray_local
    raylets = local.raylets if isinstance(local, RayLocal) else ()
    return any(
        r.cluster_id == cluster.cluster_id
        if r.cluster_id and cluster.cluster_id
        else r.gcs_address == cluster.address and not is_loopback(r.gcs_address)
        for r in raylets
    )


def disagreements(
    chosen: RayCluster, seen: Iterable[RayCluster], pods: Iterable[Pod]
) -> Iterator[str]:
    """Pods that another answer of the chosen cluster has in another state."""
    alike = [chosen, *(c for c in seen if _same(c, chosen))]
    distinct = {_table(c): c for c in reversed(alike)}.values()
    for pod in pods if len(distinct) > 1 else ():
        states = {_state(c, pod): c.seen_at or "a time not told" for c in distinct}
        if len(states) > 1:
            told = ", ".join(f"{state} at {at}" for state, at in states.items())
            yield f"answers of Ray differ on {pod.name}: {told}"


def _table(cluster: RayCluster) -> frozenset[tuple[str, str, str, str, float]]:
    """What tells answers apart: a thousand agents mostly give the same one."""
    return frozenset((n.id, n.ip, n.hostname, n.state, n.gpus) for n in cluster.nodes)


def _state(cluster: RayCluster, pod: Pod) -> str:
    member = member_of(pod, cluster, ())
    if member.rows:
        return f"{member.rows[0].state} with {member.registered:g} GPUs"
    return "DEAD" if member.dead else "absent"


def _known(cluster: RayCluster, ips: set[str | None]) -> int:
    return len({n.ip for n in cluster.nodes if n.alive and n.ip in ips})


def _same(one: RayCluster, other: RayCluster) -> bool:
    """One id; or one address, as a head that starts again without a database has a new id.

    A loopback address may be another head's in every pod.
    """
    ids = {one.cluster_id, other.cluster_id}
    if len(ids) == 1 and "" not in ids:
        return True
    shared = "" in ids or not is_loopback(one.address)
    return shared and one.address == other.address
