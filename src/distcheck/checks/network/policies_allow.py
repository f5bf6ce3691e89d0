"""NET003."""

from collections.abc import Iterable

from distcheck.checks.check import check
from distcheck.checks.facts.policy_denials import Denied
from distcheck.checks.facts.policy_paths import PolicyPaths
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import few
from distcheck.checks.knowledge.port_ranges import shown
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned

_RANDOM = "Ray, torch and NCCL listen on random ports, so single ports do not help"
_PODS = (
    "In NetworkPolicy {names} add to `{direction}` a rule `{key}` that names the pods of the group"
    " (a `podSelector` with a label that all of them have) and no `ports`: " + _RANDOM + "."
)
_DNS = (
    "In NetworkPolicy {names} add to `egress` a rule for UDP and TCP port 53 to the name servers"
    " of the cluster: a `namespaceSelector` for kube-system with a `podSelector` for k8s-app:"
    " kube-dns."
)
_PASSED = (
    "; yet it was open: the network plugin does not enforce this, or the policy is younger than"
    " the connections and the next start fails"
)
_BLOCKS = ", but for an ipBlock, which not every network plugin applies to pods"

_UNREAD = ", where Ray's workers are called unless it was told other ports; no raylet was seen"


@check("NET003", weight="supporting")
def policies_allow(paths: PolicyPaths) -> Verdict:
    """Network policies allow the group's traffic.

    Proves:
        The NetworkPolicies of the namespace, read as the Kubernetes API defines them, leave
        open between every two pods of the group, out of the one and into the other, the ports
        where they meet, the whole range from which Ray, torch and NCCL take random ones (as
        read in each pod's network, else by its spec), and that of Ray's workers (10002-19999);
        and the way to a name server to each pod that joins by a name. Where other policies are
        there that are not evaluated, it rests on connections that were tried instead. It does
        not prove that the network plugin does what the policies say; NET001 tries that.

    Causes:
        policy_denies: policies isolate a pod, and no rule of them allows this traffic

    Remedy:
        Let the policies that select pods of the group allow all TCP between these pods, in both
        directions, without a list of ports: Ray, torch and NCCL listen on random ones. Where a
        policy isolates them for egress, allow UDP and TCP port 53 to the name servers too.
    """
    if paths.alone is not None:
        return skipped("the group is one pod: policies close nothing within it", [paths.alone])
    if paths.denied and (paths.stopped or not paths.doubts):
        return _denied(paths)
    if paths.unread and not paths.denied:
        return unknown(f"{_says(paths.unread[0])}{_UNREAD}", [paths.listed])
    if paths.doubts or paths.by_address:
        return _undecided(paths)
    if not paths.selecting:
        of = f"none of {paths.count} NetworkPolicies" if paths.count else "no policy"
        return skipped(f"{of} selects a pod of the group: nothing is closed", [paths.listed])
    leaves = several(len(paths.selecting), "leaves")
    says = f"NetworkPolicy {few(paths.selecting)} {leaves} open all that the group uses"
    return passed(says, [paths.listed])


def _denied(paths: PolicyPaths) -> Verdict:
    shown_ones = paths.denied[:2]
    says = "; ".join(map(_says, shown_ones))
    subjects = dict.fromkeys(n for d in paths.denied for n in _names(d))
    remedy = " ".join(dict.fromkeys(map(_fix, shown_ones)))
    cites = [paths.listed, *paths.stopped, *paths.passed]
    if paths.passed and not paths.stopped:
        return warned(f"{says}{_PASSED}", "policy_denies", cites, subjects, remedy)
    return failed(says, "policy_denies", cites, subjects, remedy)


def _undecided(paths: PolicyPaths) -> Verdict:
    """Where the policies alone do not decide, connections that were seen may."""
    closed = [_says(d) for d in paths.denied[:1]]
    blocks = [_says(d) + _BLOCKS for d in paths.by_address[:1] if not closed]
    why = "; ".join((*closed, *paths.doubts, *blocks))
    if not paths.proven:
        return unknown(f"{why}; nor were connections between all of its pods seen", [paths.listed])
    count = len(paths.proven)
    says = f"{counted(count, 'connection')} between the pods {several(count, 'is')} open"
    return passed(f"{says}, which decides where policies do not: {why}", paths.proven)


def _says(one: Denied) -> str:
    by = f"NetworkPolicy {few(one.policies)}"
    if one.is_dns:
        return f"{by} does not let {few(_short(one.pairs[0][0]))} ask a name server (UDP 53)"
    source, target = _short(one.first)
    more = f" (and {counted(one.count - 1, 'pair')} more)" if one.count > 1 else ""
    end = f"into {target} from {source}" if one.direction == "ingress" else f"{source} to {target}"
    return f"{by} lets no TCP {shown(one.ranges)} {end}{more}"


def _fix(one: Denied) -> str:
    if one.is_dns:
        return _DNS.format(names=few(one.policies))
    key = "from" if one.direction == "ingress" else "to"
    return _PODS.format(names=few(one.policies), direction=one.direction, key=key)


def _names(one: Denied) -> list[str]:
    every = [k for s, t in one.pairs for k in (*s, *(() if one.is_dns else t))]
    return [*dict.fromkeys(_short(every))]


def _short(keys: Iterable[str]) -> list[str]:
    return [k.partition("/")[2] for k in keys]
