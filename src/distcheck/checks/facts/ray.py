"""Ray's membership against the group: who should be in it, and who is."""

from collections.abc import Iterator

from distcheck.checks.evidence import (
    Cite,
    Evidence,
    Missing,
    Pod,
    RayCluster,
)
from distcheck.checks.evidence.ray import RayNode
from distcheck.checks.facts.age import is_old
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.ray_answers import disagreements, latest, rivals
from distcheck.checks.facts.ray_hosts import not_replaced, others_of
from distcheck.checks.facts.ray_leftover import without_leftovers
from distcheck.checks.facts.ray_member import (
    RayMember,
    is_loopback,
    member_of,
)
from distcheck.checks.facts.ray_use import without_ray

_STATES = ("ALIVE", "DEAD", "UNLISTED")
_API = "NodeInfoGcsService/GetAllNodeInfo"


class RayMembership(Fact, frozen=True, kw_only=True):
    """The nodes that Ray has, beside those that the group should have.

    `expected` are the group's pods with GPUs, `others` all other nodes of Ray's table.
    Where no pod is known (the GCS alone was asked), every node is in `others`, and
    `nodes_expected` and `gpus_expected` are all there is to compare with; None where
    nothing says them. `is_local` is a test cluster on one machine's 127.0.0.1.
    `cluster` is the answer of Ray that all of it is from.
    """

    uses_ray: bool
    cites: tuple[Cite, ...]
    address: str = ""
    expected: tuple[RayMember, ...] = ()
    others: tuple[RayMember, ...] = ()
    nodes_expected: int | None = None
    gpus_expected: int | None = None
    is_local: bool = False
    cluster: RayCluster | None = None

    @property
    def members(self) -> tuple[RayMember, ...]:
        """Everyone who should be in Ray, or was."""
        return (*self.expected, *self.others)

    @property
    def absent(self) -> tuple[RayMember, ...]:
        """Expected ones that Ray does not have now."""
        return tuple(m for m in self.expected if not m.rows)

    @property
    def lost(self) -> list[RayMember]:
        """Those of `others` that Ray does not have now, and in whose place no later one came."""
        gone = [m for m in self.others if not m.rows]
        ended = [m.dead[0] for m in gone]
        new = (r for m in self.others if not m.dead for r in m.rows)
        left = {n.id for n in not_replaced((*new, *ended), ended)}
        return [m for m in gone if m.dead[0].id in left]

    @property
    def draining(self) -> list[RayMember]:
        """Members that Ray is about to end."""
        return [m for m in self.members if any(r.activity == "DRAINING" for r in m.rows)]

    @property
    def nodes(self) -> int:
        """How many nodes Ray has now, by address, in the unit of `nodes_expected`.

        Pods without GPUs in their spec (a CPU head, a resource claim) count only where more
        nodes are expected than there are pods with GPUs: they are then among those.
        """
        aside = sum(bool(m.rows) for m in self.others if m.is_pod)
        joined = sum(bool(m.rows) for m in self.members)
        return joined if (self.nodes_expected or 0) > len(self.expected) else joined - aside

    @property
    def gpus(self) -> float:
        """How many GPUs the nodes that are not DEAD have registered."""
        return sum(m.registered for m in self.members)

    @property
    def loopback(self) -> tuple[RayNode, ...]:
        """Nodes that advertise a loopback address that no pod has."""
        if self.is_local:
            return ()
        rows = (r for m in self.members for r in (m.misplaced if m.is_pod else m.rows))
        return tuple(r for r in rows if is_loopback(r.ip))

    @classmethod
    def fold(cls, evidence: Evidence) -> "RayMembership | Missing":
        """From the latest answer of the group's own Ray cluster.

        Missing where no GCS could be asked, and nothing shows that the group has no Ray.
        """
        seen = [n.ray for n in evidence.nodes if isinstance(n.ray, RayCluster)]
        if seen:
            return _membership(evidence, seen)
        reasons = [n.ray.reason for n in evidence.nodes if isinstance(n.ray, Missing)]
        without = without_ray(evidence)
        if without:
            return cls(uses_ray=False, cites=without)
        return Missing("; ".join(dict.fromkeys(reasons)) or "no agent answered: Ray was not asked")


def _membership(evidence: Evidence, seen: list[RayCluster]) -> RayMembership:
    kept = latest(seen, evidence)
    cluster, *rest = kept
    with_gpus = [p for p in evidence.pods if p.gpus] or list(evidence.pods)
    local = not evidence.pods and _on_one_machine(cluster)
    on_ip = {p.ip: [q for q in evidence.pods if q.ip == p.ip] for p in with_gpus if p.ip}
    found = [(p, member_of(p, cluster, rest, on_ip.get(p.ip or "", ()))) for p in with_gpus]
    expected, left_over = without_leftovers(found, evidence, cluster)
    taken = {row.id for _, m in found for row in (*m.rows, *m.dead)}
    left = [n for n in cluster.nodes if n.id not in taken]
    pods = {p.ip: p for p in evidence.pods if p.ip}
    wanted = _nodes_expected(evidence, len(expected))
    return RayMembership(
        uses_ray=True,
        cites=tuple(_cite(cluster, n, pods) for n in cluster.nodes) or (_no_rows(cluster),),
        address=cluster.address,
        expected=expected,
        others=others_of(evidence, left, local, wanted),
        nodes_expected=wanted,
        gpus_expected=_gpus_expected(evidence),
        is_local=local,
        cluster=cluster,
        gaps=(
            *_odd(cluster),
            *disagreements(cluster, seen, with_gpus),
            *rivals(kept, evidence),
            *left_over,
            *_stale(evidence, cluster),
        ),
    )


def _on_one_machine(cluster: RayCluster) -> bool:
    """Asked on loopback, and all nodes are there too."""
    ips = [n.ip for n in cluster.nodes if n.state != "DEAD"]
    return all(is_loopback(a) for a in (cluster.address.strip("["), *ips))


def _nodes_expected(evidence: Evidence, pods: int) -> int | None:
    asked = evidence.intent.nodes
    return max(asked or 0, pods) or None


def _gpus_expected(evidence: Evidence) -> int | None:
    """What the intent asks of the whole group, else the sum of the pods' own requests."""
    asked = evidence.intent.gpus
    return sum(p.gpus for p in evidence.pods) or None if asked is None else asked


def _odd(cluster: RayCluster) -> Iterator[str]:
    if cluster.way == "status":
        yield from cluster.weak
    for node in (n for n in cluster.nodes if n.state not in _STATES):
        yield f"node {node.ip} is in state {node.state}, which this version does not know"


def _stale(evidence: Evidence, cluster: RayCluster) -> Iterator[str]:
    for look in (n for n in evidence.nodes if n.ray is cluster):
        if is_old(look.observed_at, evidence.observed_at):
            yield f"Ray now: what {look.node} says is of {look.observed_at}, over an hour before"


def _cite(cluster: RayCluster, node: RayNode, pods: dict[str, Pod]) -> Cite:
    name = pods[node.ip].name if node.ip in pods else node.hostname
    who = node.ip if name in ("", node.ip) else f"{name} ({node.ip})"
    why = f" ({node.death})" if node.death else ""
    what = f"{who} is {node.state}{why} with {node.gpus:g} GPUs, node id {node.id}"
    return Cite(what, f"GCS {cluster.address} {_API}", cluster.seen_at)


def _no_rows(cluster: RayCluster) -> Cite:
    return Cite("the node table is empty", f"GCS {cluster.address} {_API}", cluster.seen_at)
