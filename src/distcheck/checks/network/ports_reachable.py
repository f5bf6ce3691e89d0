"""NET001."""

from distcheck.checks.check import check
from distcheck.checks.facts.network import PortMatrix
from distcheck.checks.facts.network_paths import Path, Tried
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown

_CAUSES = {"filtered": "filtered", "rejected": "rejected", "refused": "no_listener"}
_SAYS = {
    "filtered": "{0} gets no answer from {1}: {2}",
    "rejected": "{0} is rejected on its way to {1}: {2}",
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
    "firewall between them.",
    "no_listener": "Look at {1}: the process that should listen there has ended or has not "
    "started, and its log says why. If it runs and listens, a policy answers in its place with a "
    "reset: look for NetworkPolicies that select {0} or {1}.",
}


@check("NET001")
def ports_reachable(matrix: PortMatrix) -> Verdict:
    """The ports that the group uses can be reached between its pods, both ways.

    Proves:
        From inside each pod's own network namespace a connection reached a port of every other
        pod, and the ports where all of them meet (Ray's GCS, the rendezvous of the ranks), or
        such a connection was already there, or ranks of both pods completed a communicator
        whose setup has to open one that way. In a group of more than 16 pods, and in one whose
        ranks all completed one communicator: between the leader and every other pod, and
        wherever else it was tried. It does not prove the ports that NCCL picks at random
        later, nor the speed of the path.

    Causes:
        filtered: no answer at all, as when a firewall, a security group or a NetworkPolicy drops
        rejected: a router or a policy answered that the path is closed; the evidence names it
        no_listener: nothing listens on a port that the group says it uses, or a policy answers
            in its place with a reset

    Remedy:
        filtered or rejected: allow all TCP between the pods of the group, in both directions;
        Ray, torch and NCCL pick random ports, so opening single ones does not help. Look for
        NetworkPolicies that select these pods, then at the nodes' firewalls and security groups.
        no_listener: the process that should listen there has ended or has not started; read its
        log.
    """
    if matrix.alone is not None:
        return skipped("the group is one pod: no port between pods is used", [matrix.alone])
    blocked = [(path, one) for path in matrix.paths for one in path.blocked]
    if blocked:
        return _blocked(blocked)
    odd = [one for path in matrix.paths for one in path.tried if one.probe.outcome == "error"]
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


def _blocked(blocked: list[tuple[Path, Tried]]) -> Verdict:
    """The worst cause first; the sentence is about the first direction that has it."""
    causes = [_CAUSES[one.probe.outcome] for _, one in blocked]
    cause = next(c for c in _SAYS if c in causes)
    alike = [(p, one) for (p, one), c in zip(blocked, causes, strict=True) if c == cause]
    path = alike[0][0]
    ports = ", ".join(_told(one) for p, one in alike if p == path)
    says = _SAYS[cause].format(path.source, path.target, ports)
    subjects = dict.fromkeys(name for p, _ in blocked for name in (p.source, p.target))
    remedy = _REMEDIES[cause].format(path.source, path.target)
    return failed(says, cause, [one.cite for _, one in blocked], subjects, remedy)


def _told(one: Tried) -> str:
    return f"{one.name}, {one.probe.detail}" if one.probe.detail else one.name


def _and(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 4 else f"{len(names)} pods"
