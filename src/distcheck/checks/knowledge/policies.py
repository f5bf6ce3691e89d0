"""What NetworkPolicies allow between pods: pure evaluation of networking.k8s.io/v1.

Policies add up: a pod is isolated in a direction if any policy selects it for that, and then
only what some rule allows may pass. Both ends have to allow it
(kubernetes api, networking/v1/types.go).
"""

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from distcheck.checks.evidence.policy import PolicyPod
from distcheck.checks.knowledge.policy_grammar import (
    Block,
    Labels,
    Peer,
    Policy,
    Protocol,
    Rule,
    Selector,
)
from distcheck.checks.knowledge.port_ranges import ALL, Range

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Direction = Literal["ingress", "egress"]
DNS_PORTS = (53, 5353, 1053, 8053)
"""On which DNS servers of clusters listen; a policy sees the port behind the Service."""


class Rules(Struct, frozen=True):
    """The policies of one namespace, and its labels. `blocks`: whether ipBlock holds for pods.

    Whether it does is up to the network plugin: Cilium's does not.
    """

    policies: tuple[Policy, ...]
    namespace: Labels
    blocks: bool = True

    def isolating(self, pod: PolicyPod, direction: Direction) -> tuple[Policy, ...]:
        """The policies that select `pod` for this direction."""
        return tuple(
            p
            for p in self.policies
            if getattr(p, direction) is not None and p.selector.selects(pod.labels)
        )

    def allowed(
        self, pod: PolicyPod, direction: Direction, other: PolicyPod, protocol: Protocol
    ) -> tuple[Range, ...]:
        """Ports that `pod`'s own side leaves open to (egress) or for (ingress) `other`."""
        isolating = self.isolating(pod, direction)
        if not isolating:
            return (ALL,)
        target = pod if direction == "ingress" else other
        rules = [r for p in isolating for r in getattr(p, direction) if self.names(r, other)]
        return tuple(r for rule in rules for r in _ports(rule, target, protocol))

    def names(self, rule: Rule, other: PolicyPod) -> bool:
        """Whether `other`, a pod of the same namespace, is a peer of `rule`."""
        return not rule.peers or any(self.is_peer(peer, other) for peer in rule.peers)

    def is_peer(self, peer: Peer, other: PolicyPod) -> bool:
        """Whether `other` is one of those that `peer` names; both selectors have to hold.

        Of a pod with two addresses the first counts, by which the others know it.
        """
        if peer.ip_block is not None:
            return self.blocks and any(_in(peer.ip_block, ip) for ip in other.ips[:1])
        chosen = peer.namespace_selector
        here = chosen is None or chosen.selects(self.namespace)
        return here and (peer.pod_selector is None or peer.pod_selector.selects(other.labels))

    def profile(self, pod: PolicyPod) -> tuple[object, ...]:
        """What tells `pod` from others for these policies; alike pods are treated alike."""
        peers = [
            x
            for p in self.policies
            for r in (*(p.ingress or ()), *(p.egress or ()))
            for x in r.peers
        ]
        named = tuple(self.is_peer(peer, pod) for peer in peers)
        chosen = tuple(p.selector.selects(pod.labels) for p in self.policies)
        return named, chosen, tuple(sorted(pod.ports.items())), pod.local_ports, pod.host_network

    def may_ask_dns(self, pod: PolicyPod) -> bool:
        """Whether a name server elsewhere in the cluster may be reached over UDP.

        Where it runs and how it is labelled is not known, so only what no rule can allow is
        ruled out: rules whose peers are all pods of this namespace, and rules without the port.
        """
        isolating = self.isolating(pod, "egress")
        rules = [r for p in isolating for r in p.egress or ()]
        return not isolating or any(_leaves(r) and _has_dns(r) for r in rules)


OWN_NAME = "kubernetes.io/metadata.name"
"""The label that every namespace has: its name (API server, since Kubernetes 1.22)."""


def with_blocks_open(rules: Rules) -> Rules:
    """As `rules`, where each pod is in an ipBlock that may hold pods."""

    def opened(peer: Peer) -> Peer:
        return Peer(Selector()) if peer.ip_block and _may_hold_pods(peer.ip_block) else peer

    return _with_peers(rules, opened)


def with_namespace_open(rules: Rules) -> Rules:
    """As `rules`, where the namespace has each label that is asked for, and not known of it."""

    def opened(peer: Peer) -> Peer:
        chosen = peer.namespace_selector
        may = chosen is not None and chosen.may_select(rules.namespace)
        return replace(peer, namespace_selector=Selector()) if may else peer

    return _with_peers(rules, opened)


def _with_peers(rules: Rules, changed: Callable[[Peer], Peer]) -> Rules:
    def those(way: tuple[Rule, ...] | None) -> tuple[Rule, ...] | None:
        told = way or ()
        new = tuple(replace(r, peers=tuple(map(changed, r.peers))) for r in told)
        return None if way is None else new

    policies = (
        replace(p, ingress=those(p.ingress), egress=those(p.egress)) for p in rules.policies
    )
    return replace(rules, policies=tuple(policies))


_INNER = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
_SHARED = "100.64.0.0/10"
"""Addresses that pods have; the last also stays open where somebody means the internet."""


def _may_hold_pods(block: Block) -> bool:
    """Whether some of the addresses that pods have are in it, and not taken out."""
    own = ipaddress.ip_network(block.cidr, strict=False)
    taken = [ipaddress.ip_network(n, strict=False) for n in block.excluded]
    inner = [ipaddress.ip_network(n) for n in (*_INNER, *([] if taken else [_SHARED]))]
    both = [max(own, n, key=lambda x: x.prefixlen) for n in inner if own.overlaps(n)]
    return any(not any(_within(one, n) for n in taken) for one in both)


def _within(one: Network, other: Network) -> bool:
    return one.version == other.version and one.prefixlen >= other.prefixlen and one.overlaps(other)


def _leaves(rule: Rule) -> bool:
    return not rule.peers or any(x.ip_block or x.namespace_selector for x in rule.peers)


def _has_dns(rule: Rule) -> bool:
    asked = [p for p in rule.ports if p.protocol == "UDP"]
    return not rule.ports or any(
        not isinstance(p.port, int) or any(p.port <= n <= (p.end_port or p.port) for n in DNS_PORTS)
        for p in asked
    )


def _ports(rule: Rule, target: PolicyPod, protocol: Protocol) -> Iterator[Range]:
    """What `rule` opens on `target`; a name that it does not have opens nothing."""
    if not rule.ports:
        yield ALL
    for one in rule.ports:
        if one.protocol != protocol:
            continue
        if one.port is None:
            yield ALL
        elif isinstance(one.port, int):
            yield one.port, one.end_port or one.port
        elif one.port in target.ports:
            yield target.ports[one.port], target.ports[one.port]


def _in(block: Block, ip: str) -> bool:
    try:
        return block.holds(ipaddress.ip_address(ip))
    except ValueError:
        return False


def classes(rules: Rules, pods: Iterable[PolicyPod]) -> list[list[PolicyPod]]:
    """`pods` by what these policies can tell of them."""
    found: dict[tuple[object, ...], list[PolicyPod]] = {}
    for pod in pods:
        found.setdefault(rules.profile(pod), []).append(pod)
    return list(found.values())
