"""Rows of GCS that an earlier container left: ALIVE until GCS misses the raylet behind them."""

from collections.abc import Iterable

from msgspec import structs

from distcheck.checks.evidence import Evidence, Missing, Pod, RayCluster
from distcheck.checks.evidence.ray import LocalRaylet, RayLocal, RayNode
from distcheck.checks.facts.age import unix_ms
from distcheck.checks.facts.ray_member import RayMember

DETECTION_SECONDS = 75
"""Five health checks of 10 s, 3 s apart, and the 5 s before the first (Ray's defaults)."""
_CLEARLY_MS = 30_000
"""By how much a row is older than the container: the clocks of nodes differ a little."""
_WINDOW_MS = 2 * DETECTION_SECONDS * 1000


def without_leftovers(
    found: Iterable[tuple[Pod, RayMember]], evidence: Evidence, cluster: RayCluster
) -> tuple[tuple[RayMember, ...], tuple[str, ...]]:
    """The members without rows of an earlier container, and a gap for each that has one.

    A member keeps its only row: GCS does count it, and will list it as DEAD. Nor is one of two
    left out that only another id speaks against: two pods may have one address.
    """
    members, gaps = [], []
    for pod, member in found:
        local = evidence.look(pod).ray_local
        whys = {r.id: leftover(r, pod, local, cluster) for r in member.rows}
        why = next(filter(None, whys.values()), "")
        if why:
            gaps.append(f"whether {pod.name}, which GCS has as ALIVE, is in Ray: {why}")
        old = {r.id for r in member.rows if whys[r.id] and _by_age(r, pod, cluster.seen_at)}
        fresh = tuple(r for r in member.rows if r.id not in old)
        members.append(structs.replace(member, rows=fresh or member.rows))
    return tuple(members), tuple(gaps)


def leftover(row: RayNode, pod: Pod, local: RayLocal | Missing, cluster: RayCluster) -> str:
    """Why this ALIVE row does not show that the raylet of `pod` is in Ray; empty where it may.

    By the pod's own processes: no raylet runs, or only ones with another id; a row that is
    younger than that look says more than it. Else by age, while a row can outlive its raylet.
    """
    if isinstance(local, RayLocal) and local.source and not _is_younger(row, local):
        if not local.raylets:
            return _without_raylet(local)
        if _of_another(local, cluster):
            return "the raylet that runs there is of another Ray"
        known = {r.node_id for r in local.raylets}
        if row.id in known or any(_ran_before(r, row) for r in local.raylets):
            return ""
        if "" not in known:
            return "the raylet that runs there has another node id"
    return _by_age(row, pod, cluster.seen_at)


def _of_another(local: RayLocal, cluster: RayCluster) -> bool:
    told = {r.cluster_id for r in local.raylets}
    return bool(cluster.cluster_id) and not told & {"", cluster.cluster_id}


def _is_younger(row: RayNode, local: RayLocal) -> bool:
    looked = unix_ms(local.seen_at)
    return looked is not None and row.start_ms > looked


def _without_raylet(local: RayLocal) -> str:
    start = next((s for s in local.waiting if not s.is_head), None)
    if start is None:
        return "no raylet runs there"
    return f"no raylet runs there, and its `ray start` still tries {start.address or 'the head'}"


def _ran_before(raylet: LocalRaylet, row: RayNode) -> bool:
    """A raylet without an id that is as old as the row: it outlived the engine's container."""
    began = unix_ms(raylet.started_at)
    return not raylet.node_id and began is not None and began <= row.start_ms + _CLEARLY_MS


def _by_age(row: RayNode, pod: Pod, seen_at: str | None) -> str:
    began, seen = unix_ms(pod.started_at), unix_ms(seen_at)
    if began is None or seen is None or not row.start_ms or seen - began > _WINDOW_MS:
        return ""
    if row.start_ms + _CLEARLY_MS >= began:
        return ""
    return (
        f"its container started at {pod.started_at}, after that row, and GCS takes up to "
        f"{DETECTION_SECONDS} s to drop it"
    )
