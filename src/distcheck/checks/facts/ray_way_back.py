"""Who reaches which raylet: the head's way back, which decides whether a node stays."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod
from distcheck.checks.evidence.ray import RayletAnswer, RayletAnswers, RayNode
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.ray import RayMembership

_RAYLET = "node_manager"
_WELL = ("serving", "open")
_BAD = ("no_answer", "refused")


class WayBack(Struct, frozen=True):
    """One raylet that is ALIVE in the table and did not answer; `source` is the pod that asked.

    `from_head`: it is the head that asked, from inside its own namespace, as GCS does.
    """

    source: str
    peer: str
    ip: str
    port: int
    service: str
    outcome: str
    from_head: bool
    inside: bool
    cite: Cite


class RayWays(Fact, frozen=True, kw_only=True):
    """Raylets asked from the group's pods, of nodes that Ray has ALIVE.

    `answered` are addresses whose raylet answered the head, or from the head's own pod.
    """

    broken: tuple[WayBack, ...] = ()
    answered: frozenset[str] = frozenset()

    @classmethod
    def fold(cls, evidence: Evidence) -> "RayWays | Missing":
        """From each pod's row of the matrix; nothing is broken where nobody asked."""
        ray = folded(RayMembership, evidence)
        if isinstance(ray, Missing) or ray.cluster is None:
            return cls()
        rows = {n.ip: n for n in ray.cluster.nodes if n.alive}
        heads = {n.ip for n in rows.values() if n.is_head}
        broken, answered = [], set(heads)
        for pod in evidence.pods:
            for one, seen in _asked(evidence, pod, rows):
                if one.outcome in _WELL and one.service == _RAYLET and pod.ip in heads:
                    answered.add(one.ip)
                elif one.outcome in _BAD:
                    broken.append(_way(evidence, pod, one, seen, heads))
        sure = [w for w in broken if w.inside or w.ip not in answered]
        return cls(broken=tuple(sure), answered=frozenset(answered))


def _asked(
    evidence: Evidence, pod: Pod, rows: dict[str, RayNode]
) -> Iterator[tuple[RayletAnswer, RayletAnswers]]:
    """Answers about ports that the table still names: a raylet that came back has others."""
    seen = evidence.look(pod).raylets
    if not isinstance(seen, RayletAnswers):
        return
    for one in seen.answers:
        row = rows.get(one.ip)
        if row is not None and one.port in (row.node_manager_port, row.object_manager_port):
            yield one, seen


def _way(
    evidence: Evidence, pod: Pod, one: RayletAnswer, seen: RayletAnswers, heads: set[str]
) -> WayBack:
    peer = next((p.name for p in evidence.pods if p.key == one.peer), one.peer)
    where = f"{one.ip}:{one.port}"
    what = f"{pod.name} asked {one.service} of {peer} at {where}: {one.detail or one.outcome}"
    return WayBack(
        pod.name,
        peer,
        one.ip,
        one.port,
        one.service,
        one.outcome,
        seen.inside and pod.ip in heads and one.service == _RAYLET,
        seen.inside,
        Cite(what, seen.where, seen.seen_at),
    )
