"""Which traffic of the group its NetworkPolicies close, and what was seen to pass anyway."""

from collections.abc import Iterator, Sequence

from msgspec import structs

from distcheck.checks.evidence import Cite, Evidence, Missing, PodLook, PortProbes
from distcheck.checks.evidence.policy import NetworkPolicies, PolicyPod
from distcheck.checks.facts.bootstrap_ring import bootstrap_of
from distcheck.checks.facts.changed_pods import changed_pods
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.meeting_points import meeting_points
from distcheck.checks.facts.names_asked import asked_dns, names_to_ask, unanswered
from distcheck.checks.facts.network import PortMatrix
from distcheck.checks.facts.policy_denials import (
    DIRECTIONS,
    MOST_CLASSES,
    Class,
    Denied,
    denials,
    without_dns,
)
from distcheck.checks.facts.ray_worker_ports import USUAL, pods_on_ray, worker_ports
from distcheck.checks.facts.small_group import only_pod
from distcheck.checks.knowledge.policies import OWN_NAME, Rules, classes
from distcheck.checks.knowledge.policy_grammar import Policy, Unreadable, read_policy


class PolicyPaths(Fact, frozen=True, kw_only=True):
    """What policies of the group's namespace close between its pods, and to name servers.

    `selecting` are the policies that select a pod of the group, of `count` that were listed.
    `doubts` say why the policies alone do not decide. `by_address` is closed where the
    network plugin applies no ipBlock to pods. `passed` shows that what they close was open,
    `stopped` that it was tried and did not get through. `proven`: connections that show every
    direction between the pods to be open, whoever decides about them. `unread` is closed of
    the ports that Ray gives to workers where it is not told others; whether it is was not seen.
    """

    listed: Cite
    count: int
    selecting: tuple[str, ...] = ()
    denied: tuple[Denied, ...] = ()
    by_address: tuple[Denied, ...] = ()
    doubts: tuple[str, ...] = ()
    passed: tuple[Cite, ...] = ()
    stopped: tuple[Cite, ...] = ()
    proven: tuple[Cite, ...] = ()
    unread: tuple[Denied, ...] = ()
    alone: Cite | None = None

    @classmethod
    def fold(cls, evidence: Evidence) -> "PolicyPaths | Missing":
        """Missing where policies were not listed, or no pod of the group is known."""
        seen = evidence.policies
        if isinstance(seen, Missing):
            return seen
        if not evidence.pods:
            return Missing("the group has no pods")
        read, unread = _read(seen)
        rules = Rules(tuple(read), _namespace(seen, evidence.target.namespace))
        return _judged(evidence, seen, rules, unread)


def _judged(
    evidence: Evidence, seen: NetworkPolicies, rules: Rules, unread: Sequence[str]
) -> PolicyPaths:
    wanted = {p.key for p in evidence.pods}
    own = [_as_read(evidence, p) for p in seen.pods if p.key in wanted]
    inside = [p for p in own if not p.host_network]
    groups = classes(rules, inside)
    points = _points(evidence)
    names = names_to_ask(evidence, {p.key: p.hosts for p in own})
    ranges = worker_ports(evidence)
    denied = denials(rules, groups, points, ranges)
    answered = {c for c in names if any(asked_dns(evidence, [c]))}
    dns = without_dns(rules, [p for p in inside if p.key in names.keys() - answered])
    strict = Rules(rules.policies, rules.namespace, blocks=False)
    closer = denials(strict, classes(strict, inside), points, ranges)
    selecting = {q.name for p in own for d in DIRECTIONS for q in rules.isolating(p, d)}
    every = (*denied, *dns)
    return PolicyPaths(
        listed=Cite(_counted(seen), seen.source, seen.seen_at),
        count=len(seen.specs),
        selecting=tuple(sorted(selecting)),
        denied=every,
        by_address=tuple(d for d in closer if d not in denied),
        doubts=(*unread, *_doubts(evidence, seen, rules, own, len(groups))),
        passed=tuple(_passed(evidence, every)),
        stopped=tuple(_stopped(evidence, every)),
        proven=_proven(evidence),
        unread=_unread(evidence, rules, groups),
        alone=only_pod(evidence),
    )


def _as_read(evidence: Evidence, pod: PolicyPod) -> PolicyPod:
    """With the range of random ports that an agent read in its network, which is what holds."""
    ports = next((evidence.look(p).ports for p in evidence.pods if p.key == pod.key), None)
    found = ports.ephemeral if isinstance(ports, PortProbes) else None
    return structs.replace(pod, local_ports=found) if found else pod


def _unread(evidence: Evidence, rules: Rules, groups: Sequence[Class]) -> tuple[Denied, ...]:
    """Nothing where all ranks have met: their actors were made by such calls."""
    unknown = pods_on_ray(evidence) - worker_ports(evidence).keys()
    if not unknown or bootstrap_of(evidence).whole:
        return ()
    less = {(d.direction, d.policies) for d in denials(rules, groups, {})}
    more = denials(rules, groups, {}, dict.fromkeys(unknown, USUAL))
    return tuple(d for d in more if (d.direction, d.policies) not in less)


def _read(seen: NetworkPolicies) -> tuple[list[Policy], list[str]]:
    read, unread = [], []
    for name, spec in sorted(seen.specs.items()):
        try:
            read.append(read_policy(name, spec))
        except Unreadable as error:
            unread.append(str(error))
    return read, unread


def _counted(seen: NetworkPolicies) -> str:
    names = ", ".join(sorted(seen.specs)[:4])
    more = f" and {len(seen.specs) - 4} more" if len(seen.specs) > 4 else ""
    return f"NetworkPolicies: {names}{more}" if names else "the list of NetworkPolicies is empty"


def _namespace(seen: NetworkPolicies, name: str) -> dict[str, str]:
    read = () if isinstance(seen.namespaces, Missing) else seen.namespaces
    labels = next((n.labels for n in read if n.name == name), {})
    return {OWN_NAME: name, **labels}


def _doubts(
    evidence: Evidence,
    seen: NetworkPolicies,
    rules: Rules,
    own: Sequence[PolicyPod],
    kinds: int,
) -> Iterator[str]:
    yield from seen.unasked
    if seen.others:
        more = f" and {len(seen.others) - 4} more" if len(seen.others) > 4 else ""
        yield f"{', '.join(seen.others[:4])}{more} cannot be evaluated here"
    known = {p.key for p in own}
    yield from (f"labels of {p.name} were not read" for p in evidence.pods if p.key not in known)
    hosted = [p.key.partition("/")[2] for p in own if p.host_network]
    if hosted and any(rules.isolating(p, d) for p in own for d in DIRECTIONS):
        yield f"{hosted[0]} is on its node's network, where policies need not hold"
    if isinstance(seen.namespaces, Missing) and _by_namespace(rules):
        yield f"a policy chooses namespaces by label, and {seen.namespaces.reason}"
    if kinds > MOST_CLASSES:
        yield f"the policies tell more than {MOST_CLASSES} kinds of these pods apart"


def _by_namespace(rules: Rules) -> bool:
    """Whether a rule chooses namespaces by more than the name."""
    every = (r for p in rules.policies for r in (*(p.ingress or ()), *(p.egress or ())))
    chosen = [x.namespace_selector for r in every for x in r.peers if x.namespace_selector]
    keys = {k for s in chosen for k in (*s.match_labels, *(e.key for e in s.match_expressions))}
    return bool(keys - {OWN_NAME})


def _points(evidence: Evidence) -> dict[str, list[int]]:
    """The ports at which others meet a pod, by its key, as far as evidence names them."""
    found = {x for points in meeting_points(evidence).values() for x in points}
    ports: dict[str, list[int]] = {}
    for one in sorted(found):
        ports.setdefault(one.ip, []).append(one.port)
    return {p.key: ports[p.ip] for p in evidence.pods if p.ip in ports}


def _passed(evidence: Evidence, denied: Sequence[Denied]) -> Iterator[Cite]:
    """What shows that something closed was open, at least when it was opened."""
    by_ip = {p.ip: p.key for p in evidence.pods if p.ip}
    for pod in evidence.pods if denied else ():
        look = evidence.look(pod)
        yield from _tried(look, by_ip, denied)
        yield from _connected(look, by_ip, denied)
    met = bootstrap_of(evidence)
    if denied and met.whole:
        yield from tuple(met.opened.values())[:1]


def _stopped(evidence: Evidence, denied: Sequence[Denied]) -> Iterator[Cite]:
    """What was tried, and ended as traffic does that a policy closes."""
    gone = changed_pods(evidence)
    by_ip = {p.ip: p.key for p in evidence.pods if p.ip and p.name not in gone}
    for pod in (p for p in evidence.pods if denied and p.name not in gone):
        yield from _tried(evidence.look(pod), by_ip, denied, ("filtered", "rejected"))
    yield from (c for d in denied if d.is_dns for c in unanswered(evidence, d.pairs[0][0]))


def _proven(evidence: Evidence) -> tuple[Cite, ...]:
    matrix = folded(PortMatrix, evidence)
    if isinstance(matrix, Missing) or matrix.gaps or any(p.blocked for p in matrix.paths):
        return ()
    return tuple(cite for path in matrix.paths for cite in path.proof)


def _tried(
    look: PodLook, by_ip: dict[str, str], denied: Sequence[Denied], ends: Sequence[str] = ("open",)
) -> Iterator[Cite]:
    if isinstance(look.ports, Missing):
        return
    for one in look.ports.probes:
        peer = by_ip.get(one.address, "")
        if one.outcome in ends and _closed(denied, look.pod, peer, one.port):
            what = f"{look.pod} to {peer}: {one.service} at {one.address}:{one.port}"
            source = f"connection from the {look.ports.where}"
            yield Cite(f"{what} is {one.outcome}", source, look.ports.seen_at)


def _connected(look: PodLook, by_ip: dict[str, str], denied: Sequence[Denied]) -> Iterator[Cite]:
    """Who opened it is not told: it shows something only if neither of the two could have."""
    for one in look.connections:
        peer = by_ip.get(one.remote, "")
        there = _closed(denied, look.pod, peer, one.remote_port)
        if there and _closed(denied, peer, look.pod, one.local_port):
            ends = f"{one.local}:{one.local_port} and {one.remote}:{one.remote_port}"
            yield Cite(f"{ends} are connected", f"/proc/net/tcp of {look.pod}")


def _closed(denied: Sequence[Denied], source: str, target: str, port: int) -> bool:
    return any(d.closes(source, target, port) for d in denied)
