"""Several agents' answers of one Ray cluster: the latest counts, and where they differ is told."""

from collections.abc import Iterable, Iterator, Sequence

from distcheck.checks.evidence import Pod, RayCluster
from distcheck.checks.facts.ray_member import is_loopback, member_of


def latest(seen: Sequence[RayCluster], pods: Iterable[Pod]) -> list[RayCluster]:
    """The latest answer of each cluster, the cluster that knows most of the pods first."""
    ips = {p.ip for p in pods}
    ranked = sorted(seen, key=lambda c: (c.seen_at or "", _known(c, ips)), reverse=True)
    kept: list[RayCluster] = []
    for one in ranked:
        if not any(_same(one, other) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda c: -_known(c, ips))


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
