"""RAY001."""

from collections.abc import Iterable

from distcheck.checks.check import check
from distcheck.checks.evidence.ray import RayNode
from distcheck.checks.facts.ray import RayMembership
from distcheck.checks.facts.ray_member import in_words
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned


@check("RAY001")
def nodes_alive(ray: RayMembership) -> Verdict:
    """Every Ray node of the group is alive.

    Proves:
        GCS lists one ALIVE node at the address of every pod that should be in Ray. GCS drops a
        node 15 s after its process ended and about 75 s after its network was cut (Ray's
        default health check), so a fault younger than that may not show. A node whose
        row is DEAD counts as alive when another row of its address is.

    Causes:
        node_missing: a node that the group should have is not in Ray's table: its `ray start`
            never got through, or went to another head
        node_dead: the node had joined, and GCS lists it as DEAD
        duplicate_node_ip: two ALIVE nodes have one address, so its GPUs are counted twice
        head_on_loopback: a node advertises a loopback address that is not its pod's own, so
            no other pod can reach it
        raylet_unreachable: GCS lists the node as ALIVE, but its raylet does not answer
        host_ip_mismatch: a pod is in Ray under an address that is not the pod's: meant so
            where Ray uses a second network, else the row of an earlier pod of that name
        unexpected_node: Ray has a node that is not of this group

    Remedy:
        Read the log of the named pod's `ray start`. "Failed to connect to GCS" means that the
        head's address, DNS name or port 6379 cannot be reached from there; "Version
        mismatch" means another Ray or Python than the head's. A DEAD node does not come
        back by itself: restart its pod, and where GCS says "health check failed", look at
        the node for a dead raylet process and at firewalls from the head to the worker.
    """
    if not ray.uses_ray:
        return skipped("the group does not use Ray", ray.cites)
    found = (step(ray) for step in _STEPS)
    return next((verdict for verdict in found if verdict is not None), None) or _pass(ray)


def _loopback(ray: RayMembership) -> Verdict | None:
    rows = ray.loopback
    if not rows:
        return None
    heads = "the head" if any(r.is_head for r in rows) else "a node"
    says = f"{heads} advertises the loopback address {rows[0].ip}: no other pod can reach it"
    return failed(says, "head_on_loopback", ray.cites, [r.hostname for r in rows])


def _absent(ray: RayMembership) -> Verdict | None:
    gone = ray.absent
    if not gone:
        return None
    here = len(ray.expected) - len(gone)
    says = f"Ray has {here} of {len(ray.expected)} nodes: {_list(m.plight for m in gone)}"
    return failed(says, gone[0].cause, ray.cites, [m.name for m in gone])


def _twice(ray: RayMembership) -> Verdict | None:
    both = [m for m in ray.members if len(m.rows) > 1]
    if not both:
        return None
    says = _list(f"{m.label} is in Ray {len(m.rows)} times" for m in both)
    return failed(says, "duplicate_node_ip", ray.cites, [m.name for m in both])


def _short_of_nodes(ray: RayMembership) -> Verdict | None:
    wanted = ray.nodes_expected
    if wanted is None or ray.nodes >= wanted:
        return None
    lost = [m for m in ray.others if not m.rows]
    why = _list(m.plight for m in lost) or f"{in_words(wanted - ray.nodes)} never joined"
    cause = "node_dead" if lost else "node_missing"
    says = f"Ray has {ray.nodes} of {wanted} nodes: {why}"
    return failed(says, cause, ray.cites, [m.name for m in lost])


def _refused(ray: RayMembership) -> Verdict | None:
    rows = _rows(ray, "refused")
    if not rows:
        return None
    who = _list(f"{r.hostname or r.id} ({r.ip})" for r in rows)
    says = f"GCS lists {who} as ALIVE, but nothing listens on the port of its raylet"
    return failed(says, "raylet_unreachable", ray.cites, [r.hostname for r in rows])


def _dead_unasked(ray: RayMembership) -> Verdict | None:
    """Without an expectation a DEAD node is a loss, unless it ended as it was told to."""
    lost = [m for m in ray.others if not m.rows]
    if ray.nodes_expected is not None or not lost:
        return None
    told = all(m.dead[0].death_reason == "EXPECTED_TERMINATION" for m in lost)
    tell = warned if told else failed
    return tell(_list(m.plight for m in lost), "node_dead", ray.cites, [m.name for m in lost])


def _silent(ray: RayMembership) -> Verdict | None:
    rows = _rows(ray, "no_answer", "error")
    if not rows:
        return None
    who = _list(r.ip for r in rows)
    says = f"{_alive(ray)}, but {who} did not answer a health check from here"
    return warned(says, "raylet_unreachable", ray.cites, [r.hostname for r in rows])


def _misplaced(ray: RayMembership) -> Verdict | None:
    moved = [m for m in ray.expected if m.misplaced]
    if not moved:
        return None
    where = _list(f"{m.label} as {m.misplaced[0].ip}" for m in moved)
    says = f"{_alive(ray)}, by host name: Ray knows {where}"
    return warned(says, "host_ip_mismatch", ray.cites, [m.name for m in moved])


def _strange(ray: RayMembership) -> Verdict | None:
    strange = [m for m in ray.others if m.rows and not m.is_pod]
    if not strange or ray.nodes_expected is None or ray.nodes <= ray.nodes_expected:
        return None
    says = f"{_alive(ray)}, more than expected: {_list(m.label for m in strange)}"
    return warned(says, "unexpected_node", ray.cites, [m.name for m in strange])


def _pass(ray: RayMembership) -> Verdict:
    if not ray.nodes:
        return unknown("Ray's node table has no node that is alive", ray.cites)
    unasked = "; no number was expected, so one that never joined would not be missed"
    says = _alive(ray) + (unasked if ray.nodes_expected is None else "")
    return passed(says, ray.cites, [m.name for m in ray.members if m.rows])


def _alive(ray: RayMembership) -> str:
    if ray.nodes_expected is None:
        return f"Ray has {in_words(ray.nodes)} alive"
    return f"{ray.nodes} of {ray.nodes_expected} Ray nodes are alive"


def _rows(ray: RayMembership, *outcomes: str) -> list[RayNode]:
    rows = (r for m in ray.members for r in m.rows)
    return [r for r in rows if r.raylet is not None and r.raylet.outcome in outcomes]


def _list(parts: Iterable[str]) -> str:
    return "; ".join(parts)


_STEPS = (
    _loopback,
    _absent,
    _twice,
    _short_of_nodes,
    _refused,
    _dead_unasked,
    _silent,
    _misplaced,
    _strange,
)
"""From what is surely broken to what is only strange; the first that applies is told."""
