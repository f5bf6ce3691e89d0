"""By which names the pods of a group join their leader, and where those names lead."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from msgspec import Struct, structs

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, RayCluster
from distcheck.checks.evidence.policy import NameWanted, Services
from distcheck.checks.evidence.rendezvous import NameLookup
from distcheck.checks.facts.bootstrap_ring import bootstrap_of
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.names_asked import is_address, looked_up, lookup_cite, wanted, wanted_of
from distcheck.checks.facts.small_group import only_pod
from distcheck.checks.knowledge.cluster_names import ByName, by_specs, names_for
from distcheck.checks.knowledge.ip_text import plain

_Named = TypeVar("_Named", NameLookup, NameWanted)


class Meeting(Struct, frozen=True):
    """One name by which one pod joins: how its look-up ended, and what the specs make of it.

    `pod` is its name. `looked` is None where nobody looked it up; `specs` is None where no
    Service was listed. `joined` shows that this pod has met the leader. `apart`: the pod is in
    no group. `lost`: something shows that it has not met the leader.
    """

    pod: str
    name: str
    used_for: str
    port: int | None
    looked: NameLookup | None
    specs: ByName | None
    cites: tuple[Cite, ...]
    joined: Cite | None = None
    apart: bool = False
    lost: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether it is an address, or has one in the pod's `hosts`: no server is asked."""
        looked = self.looked
        found = looked is not None and looked.outcome == "resolved" and not looked.asked
        return is_address(self.name) or found


class Rendezvous(Fact, frozen=True, kw_only=True):
    """Every name of the group; a worker of which no name is known is a gap.

    `leader` are the leader's addresses, `leader_name` its name; `members` the other pods'
    names by address. `right` are names that lead to the leader by the specs. `waits` says why
    the leader has no address yet. `alone`: the group is one pod, which joins nobody; variables
    name a leader for groups of one, too.
    """

    meetings: tuple[Meeting, ...]
    leader: frozenset[str]
    leader_name: str
    members: dict[str, str]
    right: tuple[str, ...] = ()
    waits: str = ""
    ready: bool = True
    alone: Cite | None = None

    @classmethod
    def fold(cls, evidence: Evidence) -> "Rendezvous | Missing":
        """Missing where no pod, or no name at all, is known."""
        if not evidence.pods:
            return Missing("the group has no pods")
        leader = next((p for p in evidence.pods if p.role == "leader"), evidence.pods[0])
        meetings = tuple(m for p in evidence.pods for m in _of_pod(evidence, p, leader))
        meetings = (*meetings, *_strays(evidence))
        alone = only_pod(evidence)
        if not meetings and alone is None:
            return Missing(_why(evidence))
        ips = _ips(evidence, leader)
        services = evidence.services
        right = (
            () if isinstance(services, Missing) or not leader.ip else names_for(leader.ip, services)
        )
        return cls(
            meetings=meetings,
            leader=ips,
            leader_name=leader.name,
            members={ip: p.name for p in evidence.pods if p.ip and (ip := plain(p.ip)) not in ips},
            right=tuple(dict.fromkeys(right)),
            waits="" if leader.ip else f"{leader.name} has no address yet",
            ready=leader.ready,
            alone=alone if all(m.used_for.isupper() for m in meetings) else None,
            gaps=tuple(_gaps(evidence, leader, {m.pod for m in meetings})),
        )


def _ips(evidence: Evidence, leader: Pod) -> frozenset[str]:
    seen = () if isinstance(evidence.policies, Missing) else evidence.policies.pods
    more = (ip for p in seen if p.key == leader.key for ip in p.ips)
    return frozenset(plain(ip) for ip in (leader.ip, *more) if ip)


def _of_pod(evidence: Evidence, pod: Pod, leader: Pod) -> Iterator[Meeting]:
    """What it was seen to name; where nothing was, what its spec names to join a leader by."""
    look, joined = evidence.look(pod), _joined(evidence, pod, leader)
    declared = wanted_of(evidence, pod.key)
    ports = {w.name: w.port for w in declared}
    for one in _in_use(looked_up(look)):
        cites = (lookup_cite(look, one),)
        specs = _specs(evidence, pod.namespace, one.name)
        port = ports.get(one.name)
        yield Meeting(pod.name, one.name, one.used_for, port, one, specs, cites, joined)
    joins = pod.key != leader.key or len(evidence.pods) == 1
    if not looked_up(look) and joins:
        lost = joined is None and _lost(evidence, pod, leader)
        used = _in_use(declared)
        made = (_declared(evidence, pod.name, pod.namespace, w, joined) for w in used)
        yield from (structs.replace(one, lost=lost) for one in made)


def _in_use(found: Iterable[_Named]) -> list[_Named]:
    """What command lines name, else what variables do, which many images set for nobody."""
    every = list(found)
    return [one for one in every if not one.used_for.isupper()] or every


def _declared(
    evidence: Evidence, pod: str, namespace: str, one: NameWanted, joined: Cite | None
) -> Meeting:
    specs = _specs(evidence, namespace, one.name)
    cite = Cite(f"{pod} joins {one.name} ({one.used_for})", f"spec of {pod}")
    listed = (_listed(evidence.services),) if isinstance(evidence.services, Services) else ()
    return Meeting(pod, one.name, one.used_for, one.port, None, specs, (cite, *listed), joined)


def _listed(seen: Services) -> Cite:
    names = ", ".join(s.name for s in seen.services[:4]) or "none that these names mean"
    return Cite(f"Services: {names}", seen.source, seen.seen_at)


def _specs(evidence: Evidence, namespace: str, name: str) -> ByName | None:
    if isinstance(evidence.services, Missing) or is_address(name):
        return None
    return by_specs(name, namespace, evidence.services)


def _strays(evidence: Evidence) -> Iterator[Meeting]:
    """Pods that are in no group, as the name by which they join certainly leads nowhere."""
    own = {p.key for p in evidence.pods}
    for one in wanted(evidence):
        specs = _specs(evidence, evidence.target.namespace, one.name)
        lost = specs is not None and specs.result in ("no_service", "no_host", "no_endpoints")
        if one.pod not in own and specs and specs.certain and lost:
            namespace, _, name = one.pod.partition("/")
            found = _declared(evidence, name, namespace, one, None)
            yield structs.replace(found, apart=True, lost=True)


def _joined(evidence: Evidence, pod: Pod, leader: Pod) -> Cite | None:
    """What shows that `pod` has reached the leader: Ray counts it, or all ranks have met."""
    met = bootstrap_of(evidence)
    if met.whole and pod.key != leader.key:
        return next(iter(met.opened.values()), None)
    for cluster in (n.ray for n in evidence.nodes if isinstance(n.ray, RayCluster)):
        host = plain(cluster.address.rpartition(":")[0].strip("[]"))
        alive = any(n.alive and plain(n.ip) == plain(pod.ip or "") for n in cluster.nodes)
        if host == plain(leader.ip or "") and alive and pod.key != leader.key:
            what = f"{pod.name} is ALIVE in the GCS of {leader.name}, which it joined"
            return Cite(what, f"GCS {cluster.address}", cluster.seen_at)
    return None


def _lost(evidence: Evidence, pod: Pod, leader: Pod) -> bool:
    """One of the two is not ready, or Ray's head answers and does not count this pod."""
    clusters = [n.ray for n in evidence.nodes if isinstance(n.ray, RayCluster)]
    heads = {plain(c.address.rpartition(":")[0].strip("[]")) for c in clusters}
    return not (pod.ready and leader.ready) or plain(leader.ip or "") in heads


def _why(evidence: Evidence) -> str:
    reasons = (evidence.look(p).names for p in evidence.pods if p.role != "leader")
    told = [r.reason for r in reasons if isinstance(r, Missing)]
    services = evidence.services
    more = [f"by the specs: {services.reason}"] if isinstance(services, Missing) else []
    return "; ".join(dict.fromkeys((*told, *more))) or "no name by which pods join is known"


def _gaps(evidence: Evidence, leader: Pod, named: set[str]) -> Iterator[str]:
    for pod in evidence.pods:
        names = evidence.look(pod).names
        if pod.key != leader.key and pod.name not in named and isinstance(names, Missing):
            yield f"{pod.name}: {names.reason}"
