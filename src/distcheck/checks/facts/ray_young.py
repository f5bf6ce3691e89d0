"""How young an answer of GCS is: a node that was cut off stays ALIVE in it for some time."""

from collections.abc import Iterator

from distcheck.checks.evidence.ray import RayNode
from distcheck.checks.facts.age import unix_ms
from distcheck.checks.facts.ray import RayMembership
from distcheck.checks.facts.ray_leftover import DETECTION_SECONDS


def youth(ray: RayMembership, answered: frozenset[str]) -> str:
    """What to add to a pass on an answer that is younger than GCS's own detection; or empty.

    Raylets that `answered` the head need no such time: it is GCS's own question.
    """
    latest = max(_changes(ray, answered), default=None)
    if latest is None:
        return ""
    at, name, what = latest
    seen = None if ray.cluster is None else unix_ms(ray.cluster.seen_at)
    age = DETECTION_SECONDS if seen is None else max((seen - at) / 1000, 0)
    if age >= DETECTION_SECONDS:
        return ""
    return (
        f"; {name} {what} {age:.0f} s before, and this is young: GCS takes up to "
        f"{DETECTION_SECONDS} s to miss a node that it cannot reach"
    )


def _changes(ray: RayMembership, answered: frozenset[str]) -> Iterator[tuple[int, str, str]]:
    for member in ray.members:
        for row in member.rows:
            if row.ip not in answered and row.start_ms:
                yield row.start_ms, member.name, _began(row)
        for row in member.dead:
            if row.end_ms and not {r.ip for r in member.rows} & answered:
                yield row.end_ms, member.name, "died"


def _began(row: RayNode) -> str:
    return "started" if row.is_head else "joined"
