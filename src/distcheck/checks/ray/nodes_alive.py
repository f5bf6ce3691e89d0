"""RAY001."""

from collections.abc import Iterable
from functools import partial

from distcheck.checks.check import check
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import NEEDS_TOKEN, TOKEN_REFUSED, RayNode
from distcheck.checks.facts.ray import RayMembership
from distcheck.checks.facts.ray_head import LOOPBACK
from distcheck.checks.facts.ray_join import RayJoins
from distcheck.checks.facts.ray_member import in_words
from distcheck.checks.facts.ray_way_back import RayWays, WayBack
from distcheck.checks.facts.ray_young import youth
from distcheck.checks.knowledge.names import alike, few
from distcheck.checks.knowledge.ray_remedies import REMEDIES
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned


@check("RAY001", remedies=REMEDIES)
def nodes_alive(ray: RayMembership | Missing, joins: RayJoins, ways: RayWays) -> Verdict:
    """Every Ray node of the group is alive.

    Proves:
        GCS lists one ALIVE node at the address of every pod that should be in Ray, and where
        the head's pod could ask them, each raylet answered it. GCS alone drops a node 15 s
        after its process ended and about 75 s after its network was cut (Ray's default health
        check): a verdict that rests on an answer younger than that says so. A node whose
        row is DEAD counts as alive when another row of its address is.

    Causes:
        node_missing: a node that the group should have is not in Ray's table: its `ray start`
            never got through, or went to another head
        node_dead: the node had joined, and GCS lists it as DEAD
        name_unresolved: the worker cannot resolve the head's name
        name_wrong: the head's name leads to something else than the head
        wrong_address: the worker looks for the head at another address, port or cluster
        gcs_unreachable: the worker's way to GCS is closed, or nothing listens there
        gcs_restarted: the head restarted without a database, and has forgotten its workers
        version_mismatch: the worker has another Ray or Python than the head
        needs_token: the head wants a token that the worker, or this look, does not have
        duplicate_node_ip: two ALIVE nodes have one address, so its GPUs are counted twice
        head_on_loopback: a node advertises a loopback address that is not its pod's own, so
            no other pod can reach it
        raylet_unreachable: GCS lists the node as ALIVE, but its raylet does not answer: where
            the head gets no answer, GCS will list it as DEAD within 75 s
        host_ip_mismatch: a pod is in Ray under an address that is not the pod's, or not its
            VLLM_HOST_IP: meant so where Ray uses a second network, else the row of an earlier
            pod of that name
        node_draining: Ray is about to end a node, as its autoscaler or `ray drain-node` asked
        unexpected_node: Ray has a node that is not of this group

    Remedy:
        Read the log of the named pod's `ray start`. "Failed to connect to GCS" means that the
        head's address, DNS name or port 6379 cannot be reached from there; "Version
        mismatch" means another Ray or Python than the head's. A DEAD node does not come
        back by itself: restart its pod, and where GCS says "health check failed", look at
        the node for a dead raylet process and at firewalls from the head to the worker.
    """
    if isinstance(ray, Missing):
        return _unasked(ray, joins)
    if not ray.uses_ray:
        return skipped("the group does not use Ray", ray.cites)
    steps = (
        _loopback,
        partial(_absent, joins=joins),
        _twice,
        _short_of_nodes,
        _refused,
        partial(_way_back, ways=ways),
        _dead_unasked,
        partial(_silent, ways=ways),
        partial(_misplaced, joins=joins),
        _strange,
        _draining,
    )
    found = (step(ray) for step in steps)
    return next((verdict for verdict in found if verdict is not None), None) or _pass(ray, ways)


def _unasked(ray: Missing, joins: RayJoins) -> Verdict:
    """GCS did not tell; the pods may still show what is wrong."""
    if joins.head is not None:
        head = joins.head
        return failed(head.says, head.cause, head.cites, remedy=head.remedy)
    proven = {name: why for name, why in joins.reasons.items() if why.cause != "node_missing"}
    if proven:
        first = next(iter(proven.values()))
        says = _list(f"{name} {why.says}" for name, why in proven.items())
        cites = [cite for why in proven.values() for cite in why.cites]
        return failed(f"{says}; Ray was not asked", first.cause, cites, proven, first.remedy)
    token = next((why for cause, why in joins.unasked if cause in (NEEDS_TOKEN, TOKEN_REFUSED)), "")
    cause = "needs_token" if token else None
    return unknown("; ".join(alike(ray.reason.split("; "))), cause=cause)


def _loopback(ray: RayMembership) -> Verdict | None:
    rows = ray.loopback
    if not rows:
        return None
    heads = "the head" if any(r.is_head for r in rows) else "a node"
    says = f"{heads} advertises the loopback address {rows[0].ip}: no other pod can reach it"
    return failed(says, "head_on_loopback", ray.cites, [r.hostname for r in rows], LOOPBACK)


def _absent(ray: RayMembership, joins: RayJoins) -> Verdict | None:
    gone = ray.absent
    if not gone:
        return None
    here = len(ray.expected) - len(gone)
    says = _list(alike(map(joins.plight, gone)))
    whys = [why for m in gone if (why := joins.reasons.get(m.name)) is not None]
    first = joins.reasons.get(gone[0].name)
    cause = gone[0].cause if first is None else first.cause
    cites = [*(cite for why in whys for cite in why.cites), *ray.cites]
    remedy = next((why.remedy for why in whys if why.remedy), None)
    says = f"Ray has {here} of {len(ray.expected)} nodes: {says}"
    return failed(says, cause, cites, [m.name for m in gone], remedy)


def _twice(ray: RayMembership) -> Verdict | None:
    both = [m for m in ray.members if len(m.rows) > m.seats]
    if not both:
        return None
    says = _list(f"{m.label} is in Ray {len(m.rows)} times" for m in both)
    return failed(says, "duplicate_node_ip", ray.cites, [m.name for m in both])


def _short_of_nodes(ray: RayMembership) -> Verdict | None:
    wanted = ray.nodes_expected
    if wanted is None or ray.nodes >= wanted:
        return None
    lost = [m for m in ray.others if not m.rows]
    why = few([m.plight for m in lost], "; ") or f"{in_words(wanted - ray.nodes)} never joined"
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


_DROPPED = (
    "Allow TCP from the head's pod to all ports of the named one: GCS connects to each raylet "
    "every 3 s, and drops one that does not answer five times. Look for NetworkPolicies on either "
    "pod, then at the firewalls of their nodes."
)


def _way_back(ray: RayMembership, ways: RayWays) -> Verdict | None:
    broken = [w for w in ways.broken if w.from_head]
    if not broken:
        return None
    says = _list(alike(_lost_way(w) for w in broken))
    if any(w.outcome == "no_answer" for w in broken):
        says += "; GCS still lists it as ALIVE, and as DEAD within 75 s"
    cites = [*(w.cite for w in broken), *ray.cites]
    return failed(says, "raylet_unreachable", cites, [w.peer for w in broken], _DROPPED)


def _lost_way(way: WayBack) -> str:
    what = "the raylet" if way.service == "node_manager" else "the object store"
    how = {"no_answer": "gets no answer from", "refused": "finds nothing that listens for"}
    who = f"{way.source}" if way.inside else f"the agent beside {way.source}"
    return f"{who} {how[way.outcome]} {what} of {way.peer} ({way.ip}:{way.port})"


def _dead_unasked(ray: RayMembership) -> Verdict | None:
    """Without an expectation a DEAD node is a loss, unless another one took its place.

    Where it ended as it was told to, or nodes have joined since, it may be meant so.
    """
    lost = [] if ray.nodes_expected is not None else ray.lost
    if not lost:
        return None
    began = max((r.start_ms for m in ray.others for r in m.rows if not r.is_head), default=0)
    meant = all(
        m.dead[0].death_reason == "EXPECTED_TERMINATION" or 0 < m.dead[0].end_ms <= began
        for m in lost
    )
    tell = warned if meant else failed
    says = few([m.plight for m in lost], "; ")
    return tell(says, "node_dead", ray.cites, [m.name for m in lost])


def _silent(ray: RayMembership, ways: RayWays) -> Verdict | None:
    if ways.broken:
        says = f"{_alive(ray)}, but {_list(alike(map(_lost_way, ways.broken)))}"
        cites = [*(w.cite for w in ways.broken), *ray.cites]
        return warned(says, "raylet_unreachable", cites, {w.peer: 0 for w in ways.broken})
    rows = [r for r in _rows(ray, "no_answer", "error") if r.ip not in ways.answered]
    if not rows:
        return None
    who = _list(r.ip for r in rows)
    says = f"{_alive(ray)}, but {who} did not answer a health check from here"
    return warned(says, "raylet_unreachable", ray.cites, [r.hostname for r in rows])


def _misplaced(ray: RayMembership, joins: RayJoins) -> Verdict | None:
    moved = [m for m in ray.expected if m.misplaced]
    if moved:
        where = _list(f"{m.label} as {m.misplaced[0].ip}" for m in moved)
        says = f"{_alive(ray)}, by host name: Ray knows {where}"
        return warned(says, "host_ip_mismatch", ray.cites, [m.name for m in moved])
    if not joins.hosts:
        return None
    says = f"{_alive(ray)}, but {_list(alike(c.what for c in joins.hosts))}"
    return warned(says, "host_ip_mismatch", [*joins.hosts, *ray.cites], (), _HOST_IP)


_HOST_IP = (
    "Set VLLM_HOST_IP of each pod to the address that Ray uses, or unset it: vLLM asks Ray for a "
    "GPU on the node of that address, and waits for ever where there is none."
)


def _strange(ray: RayMembership) -> Verdict | None:
    strange = [m for m in ray.others if m.rows and not m.is_pod]
    if not strange or ray.nodes_expected is None or ray.nodes <= ray.nodes_expected:
        return None
    says = f"{_alive(ray)}, more than expected: {_list(m.label for m in strange)}"
    return warned(says, "unexpected_node", ray.cites, [m.name for m in strange])


def _draining(ray: RayMembership) -> Verdict | None:
    leaving = ray.draining
    if not leaving:
        return None
    says = f"{_alive(ray)}, but Ray drains {few([m.label for m in leaving])}, to end it"
    return warned(says, "node_draining", ray.cites, [m.name for m in leaving])


def _pass(ray: RayMembership, ways: RayWays) -> Verdict:
    if not ray.nodes:
        return unknown("Ray's node table has no node that is alive", ray.cites)
    unasked = "; no number was expected, so one that never joined would not be missed"
    says = _alive(ray) + (unasked if ray.nodes_expected is None else "")
    says += youth(ray, ways.answered)
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
