"""NET001."""

from distcheck.checks.check import check
from distcheck.checks.evidence import Missing
from distcheck.checks.facts.network import PortMatrix
from distcheck.checks.facts.network_paths import Path, Tried
from distcheck.checks.facts.service_ends import DeadEnd, ServiceEnds
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown

_CAUSES = {
    "filtered": "filtered",
    "rejected": "rejected",
    "refused": "no_listener",
    "silent": "mesh_intercepts",
    "black_hole": "mtu_black_hole",
}
_SAYS = {
    "filtered": "{0} gets no answer from {1}: {2}",
    "rejected": "{0} is rejected on its way to {1}: {2}",
    "mesh_intercepts": "{0} does not reach {1}, something else answers every port: {2}",
    "mtu_black_hole": "{0} gets small packets from {1}, full-size ones are lost: {2}",
    "no_listener": "{0} reaches {1}, where nothing listens: {2}",
}
_ALLOW = (
    "Allow all TCP between the pods of the group, in both directions: Ray, torch and NCCL pick "
    "random ports, so opening single ones does not help. "
)
_REMEDIES = {
    "filtered": _ALLOW + "What drops without an answer is a NetworkPolicy that selects {0} or {1}, "
    "the firewall of one of their nodes, or a security group between the nodes: look there in "
    "this order.",
    "rejected": _ALLOW + "Look at what sent the ICMP message shown: the address of {0} itself is a "
    "rule for what leaves it, that of {1} one for what enters it, and any other a router or "
    "firewall between them. A reset names nobody: look for a rule that selects {0} or {1}.",
    "mesh_intercepts": "Take {0} and {1} out of the service mesh (Istio: the annotation "
    'sidecar.istio.io/inject: "false", Linkerd: linkerd.io/inject: disabled): its sidecar takes '
    "every connection and does not pass on those of NCCL.",
    "mtu_black_hole": "Set the MTU of the pods' interfaces to what the path between the nodes of "
    "{0} and {1} carries: it is smaller (an overlay or a tunnel takes 50 to 100 bytes), and "
    "something drops the ICMP messages that would say so.",
    "no_listener": "Look at {1}: the process that should listen there has ended or has not "
    "started, and its log says why. If it runs and listens, a policy answers in its place with a "
    "reset: look for NetworkPolicies that select {0} or {1}.",
}


@check("NET001", remedies={k: v.format("one pod", "the other") for k, v in _REMEDIES.items()})
def ports_reachable(matrix: PortMatrix, ends: ServiceEnds | Missing) -> Verdict:
    """The ports that the group uses can be reached between its pods, both ways.

    Proves:
        From inside each pod's own network namespace a connection reached a port of every other
        pod, the ports where all of them meet (Ray's GCS, the rendezvous of the ranks), and one of
        the ports that NCCL picks at random (`ip_local_port_range` of the pod): there an agent
        listened for a moment and said a word that nobody else knows, and full-size packets came
        back. Or such connections were already there, or ranks of both pods completed a
        communicator whose setup has to open one that way. In a group of more than 16 pods, and
        in one whose ranks all completed one communicator: between the leader and every other
        pod, and wherever else it was tried. One port stands for NCCL's range: a rule for a part
        of it may be missed. The ports of Ray's workers (10002-19999) are not tried: NET003
        judges what policies make of them, a firewall that closes them alone is missed till the
        ranks have met. It does not prove the speed of the path.

    Causes:
        filtered: no answer at all, as when a firewall, a security group or a NetworkPolicy drops
        rejected: a router or a policy answered that the path is closed; the evidence names it,
            unless it answered with a reset where an agent listened
        no_endpoints: pods are sent to a Service that has no ready pod behind it
        mesh_intercepts: a sidecar of a service mesh accepts every connection, also where nobody
            listens, and the pod behind it is not reached
        mtu_black_hole: connections open and small packets pass, full-size ones are lost
        no_listener: nothing listens on a port that the group says it uses, or a policy answers
            in its place with a reset

    Remedy:
        filtered or rejected: allow all TCP between the pods of the group, in both directions;
        Ray, torch and NCCL pick random ports, so opening single ones does not help. Look for
        NetworkPolicies that select these pods, then at the nodes' firewalls and security groups.
        no_endpoints: let the Service's selector match the leader, and let it publish pods that
        are not ready. mesh_intercepts: take the pods out of the mesh. mtu_black_hole: set the
        pods' MTU to what the path carries. no_listener: the process that should listen there has
        ended or has not started; read its log.
    """
    if matrix.alone is not None:
        return skipped("the group is one pod: no port between pods is used", [matrix.alone])
    if isinstance(ends, ServiceEnds) and ends.dead:
        return _no_endpoints(ends.dead)
    blocked = [(path, one) for path in matrix.paths for one in path.blocked]
    if blocked:
        return _blocked(blocked, matrix.paths)
    odd = [one for path in matrix.paths for one in path.undecided]
    cites = [cite for path in matrix.paths for cite in path.proof]
    if odd:
        says = f"{odd[0].name} could not be tried: {odd[0].probe.detail}"
        return unknown(says, [one.cite for one in odd])
    if not cites:
        return unknown("no connection between the pods was seen")
    names = sorted({path.source for path in matrix.paths})
    count = len(cites)
    says = f"{counted(count, 'connection')} between {_and(names)} {several(count, 'is')} open"
    return passed(says, cites)


def _blocked(blocked: list[tuple[Path, Tried]], paths: tuple[Path, ...]) -> Verdict:
    """The worst cause first; the sentence is about the first direction that has it."""
    causes = [_cause(one) for _, one in blocked]
    cause = next(c for c in _SAYS if c in causes)
    alike = [(p, one) for (p, one), c in zip(blocked, causes, strict=True) if c == cause]
    path = alike[0][0]
    ports = ", ".join(_told(one) for p, one in alike if p == path)
    says = _SAYS[cause].format(path.source, path.target, ports) + _beside(path, alike, paths)
    subjects = dict.fromkeys(name for p, _ in blocked for name in (p.source, p.target))
    remedy = _REMEDIES[cause].format(path.source, path.target)
    return failed(says, cause, [one.cite for _, one in blocked], subjects, remedy)


def _cause(one: Tried) -> str:
    """A reset where an agent listens is somebody's answer in its place."""
    reset = one.in_range and one.probe.outcome == "refused"
    return "rejected" if reset else _CAUSES[one.probe.outcome]


def _beside(path: Path, alike: list[tuple[Path, Tried]], paths: tuple[Path, ...]) -> str:
    """What is open beside it: single ports of the same way, and the other way."""
    names = list(dict.fromkeys(t.probe.service for t in path.reached if not t.in_range))
    told = f"; {' and '.join(names[:2])} {several(len(names), 'is')} open" if names else ""
    back = next((p for p in paths if (p.source, p.target) == (path.target, path.source)), None)
    shut = any(p == back for p, _ in alike)
    ranged = any(one.in_range for _, one in alike)
    if shut:
        return f"{told}; the same the other way"
    if back is not None and (back.in_range if ranged else back.proof):
        return f"{told}; the other way is open"
    return told


def _no_endpoints(dead: tuple[DeadEnd, ...]) -> Verdict:
    one = dead[0]
    says = f"{one.pod} is sent to Service {one.service} ({one.address}), which has no ready pod"
    remedy = (
        f"Compare the selector of Service {one.service} with the labels of the leader. If they "
        "match, the leader is not ready: it becomes ready only after its workers have joined, so "
        "set publishNotReadyAddresses: true, or make the Service headless (clusterIP: None)."
    )
    return failed(says, "no_endpoints", [d.cite for d in dead], [d.pod for d in dead], remedy)


def _told(one: Tried) -> str:
    detail = one.probe.detail
    if one.in_range and one.probe.outcome == "refused":
        detail = "reset, where an agent listens"
    return f"{one.name}, {detail}" if detail else one.name


def _and(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 4 else f"{len(names)} pods"
