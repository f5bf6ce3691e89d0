"""The ways between the pods of a group that NetworkPolicies of the input close."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from distcheck.checks.evidence.policy import EPHEMERAL, PolicyPod
from distcheck.checks.knowledge.policies import (
    OWN_NAME,
    Rules,
    with_blocks_open,
    with_namespace_open,
)
from distcheck.checks.knowledge.policy_grammar import Policy, Unreadable, read_policy
from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.mpi_words import named_hosts
from distcheck.checks.manifest.place import titled
from distcheck.checks.manifest.template import Template

_LABELS = "which labels the namespace has"
_BLOCKS = "whether pods have addresses in its ipBlock, and the network plugin takes it for pods"


def closed_ways(bundle: Bundle) -> Iterator[Finding]:
    """What CONF029 finds."""
    things: dict[str, list[Thing]] = defaultdict(list)
    for thing in bundle.of_kind("NetworkPolicy"):
        things[thing.namespace].append(thing)
    labels = {t.name: _labels(t) for t in bundle.of_kind("Namespace")}
    spaces = {n: _Space(held, _own_name(n) | labels.get(n, {})) for n, held in things.items()}
    for group in (g.at_home for g in bundle.groups):
        space = spaces.get(group.leader.template.namespace)
        if space is None or space.hides(group):
            continue
        rules = space.rules_for(group)
        pods = [(m, _pod(m.template)) for m in group.members if not m.template.host_network]
        closed = _closed(rules, pods) if _many(group) else None
        if closed is not None:
            policy, between = closed
            says = f"{_called(policy)} closes ports 32768 to 60999 {between}"
            fix = "Allow all TCP ports between the pods of the group, in both directions."
            unseen = next((why for why, more in _wider(rules) if _closed(more, pods) is None), "")
            at = space.places[policy].at("spec").key
            yield Finding(at, says, fix, unseen=unseen)
        for member, pod in pods:
            if _asks_names(member) and not rules.may_ask_dns(pod):
                policy = rules.isolating(pod, "egress")[0].name
                says = f"{_called(policy)} keeps {member.template.what} from the name servers"
                fix = "Allow egress by UDP and TCP 53 to the cluster's name servers."
                yield Finding(space.places[policy].at("spec").key, says, fix)
                break


def _labels(namespace: Thing) -> dict[str, str]:
    return {k: str(p.value) for k, p in namespace.place.at("metadata", "labels").fields()}


def _own_name(namespace: str) -> dict[str, str]:
    return {OWN_NAME: namespace} if namespace else {}


def _wider(rules: Rules) -> Iterator[tuple[str, Rules]]:
    """What the rules may allow by what is not seen, with what that is."""
    blocks = with_blocks_open(rules)
    yield _BLOCKS, blocks
    yield _LABELS, with_namespace_open(rules)
    yield f"{_BLOCKS}; {_LABELS}", with_namespace_open(blocks)


def _called(policy: str) -> str:
    return titled("NetworkPolicy", policy)


class _Space:
    """The policies of one namespace, each read once, and found by the labels that they select.

    `labels` are those of the namespace that are known.
    """

    def __init__(self, things: Sequence[Thing], labels: Mapping[str, str]) -> None:
        self._labels = labels
        self.places = {t.name: t.place for t in reversed(things)}
        self._policies = tuple(_read(things))
        self._by_label: dict[tuple[str, str] | None, list[int]] = defaultdict(list)
        for number, policy in enumerate(self._policies):
            first = next(iter(policy.selector.match_labels.items()), None)
            self._by_label[first].append(number)
        specs = " ".join(str(t.place.at("spec").value) for t in things)
        names = re.findall(r"'([^' ]+)': |'key': '([^']+)'", specs)
        self._names = {n for pair in names for n in pair if "/" in n}

    def hides(self, group: Group) -> bool:
        """Whether policies choose by labels that a controller may put on the pods."""
        return any(m.template.may_have_label(n) for m in group.members for n in self._names)

    def rules_for(self, group: Group) -> Rules:
        """The policies that may select a pod of the group."""
        labels = {pair for m in group.members for pair in m.template.labels.items()}
        numbers = {n for key in (None, *labels) for n in self._by_label.get(key, ())}
        return Rules(tuple(self._policies[n] for n in sorted(numbers)), self._labels)


def _many(group: Group) -> bool:
    return group.is_whole and (group.pods is None or group.pods > 1) and len(group.members) > 1


def _read(things: Sequence[Thing]) -> Iterator[Policy]:
    for thing in things:
        spec = thing.place.at("spec").value
        try:
            yield read_policy(thing.name, spec if isinstance(spec, dict) else {})
        except Unreadable:
            continue


def _pod(template: Template) -> PolicyPod:
    ports = {
        p.text("name"): p.number("containerPort") or 0
        for c in template.every
        for p in c.place.each("ports")
    }
    return PolicyPod(template.what, dict(template.labels), ports)


def _closed(rules: Rules, pods: Sequence[tuple[Member, PolicyPod]]) -> tuple[str, str] | None:
    """The policy that closes the first direction that is closed, and between whom."""
    for one, pod in pods:
        for two, other in pods:
            if pod is other and (one.pods or 2) < 2:
                continue
            for way, own, far in (("egress", pod, other), ("ingress", other, pod)):
                ranges = rules.allowed(own, way, far, "TCP")  # type: ignore[arg-type]
                if not any(low <= EPHEMERAL[0] and high >= EPHEMERAL[1] for low, high in ranges):
                    policy = rules.isolating(own, way)[0].name  # type: ignore[arg-type]
                    return policy, f"from {one.template.what} to {two.template.what}"
    return None


def _asks_names(member: Member) -> bool:
    return any(j.is_read and not j.by_ip for c in member.template.every for j in c.joins) or any(
        h for c in member.template.every for h in named_hosts(c)
    )
