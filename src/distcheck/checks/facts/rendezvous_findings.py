"""What each name is worth: it leads to the leader, it does not and why, or nobody can tell."""

from msgspec import Struct

from distcheck.checks.facts.names_asked import is_address
from distcheck.checks.facts.rendezvous import Meeting, Rendezvous
from distcheck.checks.knowledge.cluster_names import ByName
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.ip_text import plain
from distcheck.checks.knowledge.names import few
from distcheck.checks.knowledge.port_ranges import shown

_DNS = (
    "Let {pod} reach its name servers: UDP and TCP port 53. A NetworkPolicy for egress that does"
    " not name them drops its questions without an answer."
)
_POLICY = (
    "Set `dnsPolicy: ClusterFirst`, or `ClusterFirstWithHostNet` for a pod on its node's network:"
    " with `Default`, or on the node's network, it asks the node's own name servers."
)
_PUBLISH = (
    "Set `publishNotReadyAddresses: true` in Service {service}: workers have to find the leader"
    " before it is ready, as it is ready only after they have joined."
)
_SELECT = "Let the selector of Service {service} select the leader: {selector} selects no pod."
_JOIN = "Let {pod} join by {right}, which leads to {leader}."


class Finding(Struct, frozen=True):
    """One name judged. `cause` is None where nothing is wrong; `good` where it is proven right.

    `mild`: it may work all the same. `by_joining`: it is right as the pod has met the leader.
    """

    meeting: Meeting
    says: str
    cause: str | None = None
    good: bool = False
    remedy: str | None = None
    mild: bool = False
    by_joining: bool = False


def judged(one: Meeting, found: Rendezvous) -> Finding:
    """What is known of this name."""
    looked = one.looked
    if looked is None:
        return _by_specs(one, found)
    if looked.outcome == "resolved":
        return _resolved(one, found, looked.addresses)
    if looked.outcome == "no_answer":
        says = f"{one.pod} gets no answer for {one.name}: {looked.detail}"
        return Finding(one, says, "name_unresolved", remedy=_DNS.format(pod=one.pod))
    if looked.outcome == "error":
        return Finding(one, f"{one.pod} could not look up {one.name}: {looked.detail}")
    return _unresolved(one, found, f"{one.pod} cannot resolve {one.name}")


def _resolved(one: Meeting, found: Rendezvous, written: tuple[str, ...]) -> Finding:
    specs, addresses = one.specs, tuple(map(plain, written))
    if specs and specs.virtual and {*addresses} & {*map(plain, specs.addresses)}:
        return _virtual(one, found, specs)
    alike = [a for a in addresses if a not in found.leader and _same_family(a, found)]
    if found.leader & {*addresses} and not alike:
        return Finding(one, f"{one.name} is {found.leader_name}", good=True)
    if found.leader & {*addresses}:
        return _several(one, found, addresses)
    return _led_away(one, found, addresses)


def _led_away(one: Meeting, found: Rendezvous, addresses: tuple[str, ...]) -> Finding:
    """None of the addresses is the leader's; another pod's is wrong, a stranger's may be its."""
    leads = f"{one.name} leads {one.pod} to {_whose(addresses, found)}"
    if found.waits:
        return Finding(one, f"{leads}, and {found.waits}")
    if one.used_for.isupper() and {found.members.get(a) for a in addresses} == {one.pod}:
        return Finding(one, f"{leads}, which is itself: who uses {one.used_for} is not known")
    certain = one.specs is not None and one.specs.result not in ("unknown", "elsewhere")
    if not any(a in found.members for a in addresses) and (one.is_fixed or not certain):
        return Finding(one, f"{leads}, of which it is not known whose it is")
    if not found.members:
        return Finding(one, f"{leads}, which is no pod of this group")
    says = f"{leads}, but {found.leader_name} is {few(sorted(found.leader))}"
    return Finding(one, says, "name_wrong", remedy=_join(one, found))


def _virtual(one: Meeting, found: Rendezvous, specs: ByName) -> Finding:
    """The address of a Service, which leads on to its pods for its own ports alone."""
    service, behind = specs.service, {*map(plain, specs.behind)}
    if service is None or specs.result == "unknown":
        return Finding(one, f"{one.name} is a Service whose pods are not known")
    if not behind:
        return _unresolved(one, found, f"{one.name} leads {one.pod} to nobody")
    if one.port and service.ports and one.port not in service.ports:
        ports = shown((p, p) for p in service.ports)
        says = f"Service {service.name}, by which {one.pod} joins, does not lead on port {one.port}"
        return Finding(one, f"{says}: only {ports}", "name_wrong", remedy=_join(one, found))
    if behind == found.leader & behind:
        return Finding(one, f"{one.name} leads to {found.leader_name}", good=True)
    return _several(one, found, tuple(behind))


def _several(one: Meeting, found: Rendezvous, addresses: tuple[str, ...]) -> Finding:
    """Which of them a client takes is chance, where it does not try them all."""
    many = counted(len(addresses), "address")
    leads = f"{one.name} leads {one.pod} to {_whose(addresses, found)}"
    if not found.leader & {*addresses}:
        says = f"{leads}, but {found.leader_name} is {few(sorted(found.leader))}"
        return Finding(one, says, "name_wrong", remedy=_join(one, found))
    says = f"{one.name} leads {one.pod} to {many}, of which {found.leader_name} is one"
    return Finding(one, says, "name_wrong", remedy=_join(one, found), mild=True)


def _unresolved(one: Meeting, found: Rendezvous, says: str) -> Finding:
    if found.waits and not one.apart:
        return Finding(one, f"{says}; {found.waits}")
    specs = one.specs
    if one.looked and one.looked.asked and not any(".svc." in a for a in one.looked.asked):
        why = f"{says}: its resolv.conf searches no domain of the cluster"
        return Finding(one, why, "name_unresolved", remedy=_POLICY)
    if specs is None or specs.service is None:
        return Finding(one, says + _no_service(specs), "name_unresolved", remedy=_join(one, found))
    name = specs.service.name
    if specs.result == "no_endpoints":
        return _no_endpoints(one, found, specs, says)
    host = specs.meaning.host if specs.meaning else ""
    why = {
        "no_host": f": no pod of Service {name} has the hostname {host}",
        "resolves": f": by the specs it is {few(specs.addresses)}, so the name server is behind",
    }.get(specs.result, "")
    return Finding(one, says + why, "name_unresolved", remedy=_join(one, found))


def _no_service(specs: ByName | None) -> str:
    if specs is None or specs.meaning is None:
        return ""
    one = specs.meaning
    if specs.result == "elsewhere":
        return f": it would be of namespace {one.namespace}"
    return f": there is no Service {one.service} in namespace {one.namespace}"


def _no_endpoints(one: Meeting, found: Rendezvous, specs: ByName, says: str) -> Finding:
    service = specs.service
    if service is None:
        return Finding(one, says)
    late = [a for a in service.not_ready if plain(a) in found.leader]
    if service.not_ready and not service.publish_not_ready:
        who = found.leader_name if late else "its pod"
        why = f": Service {service.name} publishes ready pods only, and {who} is not ready"
        return Finding(
            one, says + why, "no_endpoints", remedy=_PUBLISH.format(service=service.name)
        )
    chosen = ", ".join(f"{k}={v}" for k, v in sorted(service.selector.items())) or "no selector"
    why = f": Service {service.name} has no pod ({chosen})"
    remedy = _SELECT.format(service=service.name, selector=chosen)
    return Finding(one, says + why, "no_endpoints", remedy=remedy)


def _by_specs(one: Meeting, found: Rendezvous) -> Finding:
    """Nobody looked it up: a pod that has met the leader had it right, a spec may have it wrong."""
    specs = one.specs
    if one.joined is not None:
        return Finding(one, f"{one.pod} has joined by {one.name}", good=True, by_joining=True)
    if is_address(one.name):
        return _resolved(one, found, (one.name.strip("[]"),))
    unseen = f"nobody looked up {one.name} in {one.pod}"
    if specs is None or specs.result in ("unknown", "elsewhere") or not specs.certain:
        return Finding(one, unseen)
    by_them = f"by the specs {one.pod} cannot resolve {one.name}"
    led = (
        _resolved(one, found, specs.addresses)
        if specs.result == "resolves"
        else _unresolved(one, found, by_them)
    )
    if led.cause is not None:
        return led if one.lost else Finding(one, f"{unseen}; {led.says}")
    if specs.result != "resolves":
        return led
    return Finding(one, f"{unseen}; by the specs it leads to {found.leader_name}")


def _whose(addresses: tuple[str, ...], found: Rendezvous) -> str:
    return few([found.members.get(a, a) + f" ({a})" * (a in found.members) for a in addresses])


def _same_family(address: str, found: Rendezvous) -> bool:
    return any((":" in address) == (":" in ip) for ip in found.leader)


def _join(one: Meeting, found: Rendezvous) -> str | None:
    if not found.right or found.right[0] == one.name:
        return None
    return _JOIN.format(pod=one.pod, right=found.right[0], leader=found.leader_name)
