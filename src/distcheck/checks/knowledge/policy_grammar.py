"""NetworkPolicy specs of networking.k8s.io/v1 as the API server shows them, and their selectors.

Field meanings are those of the API types (kubernetes api, networking/v1/types.go) and of label
selectors (apimachinery, meta/v1/types.go).
"""

import ipaddress
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

Protocol = Literal["TCP", "UDP", "SCTP"]
Labels = Mapping[str, str]
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
_Number = Annotated[int, Meta(ge=1, le=65535)]


class Unreadable(ValueError):  # noqa: N818 - what it is, said to the reader
    """A policy that cannot be understood; the message says where."""


class Expression(Struct, frozen=True):
    """One condition on one label; a label that is absent is also not in any set."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()

    def holds(self, labels: Labels) -> bool:
        """Whether an object with these labels meets it."""
        if self.operator == "In":
            return labels.get(self.key) in self.values
        if self.operator == "NotIn":
            return labels.get(self.key) not in self.values
        return (self.key in labels) == (self.operator == "Exists")


class Selector(Struct, frozen=True, rename="camel"):
    """A label selector: all of it has to hold, and an empty one selects everything."""

    match_labels: dict[str, str] = {}
    match_expressions: tuple[Expression, ...] = ()

    def selects(self, labels: Labels) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(k) == v for k, v in self.match_labels.items()) and all(
            e.holds(labels) for e in self.match_expressions
        )

    def may_select(self, known: Labels) -> bool:
        """As `selects`, where an object may have labels that are not among the `known` ones."""
        pairs = self.match_labels.items()
        return all(known.get(k, v) == v for k, v in pairs) and all(
            e.holds(known) for e in self.match_expressions if e.key in known
        )


class Block(Struct, frozen=True, rename={"excluded": "except"}):
    """Addresses by CIDR, without those of `excluded`."""

    cidr: str
    excluded: tuple[str, ...] = ()

    def holds(self, ip: Ip) -> bool:
        """Whether `ip` is in it; an address of another family never is."""
        return ip in _network(self.cidr) and not any(ip in _network(n) for n in self.excluded)


class Peer(Struct, frozen=True, rename="camel"):
    """Who is allowed: pods by label, in the policy's own namespace unless namespaces are chosen."""

    pod_selector: Selector | None = None
    namespace_selector: Selector | None = None
    ip_block: Block | None = None


class Port(Struct, frozen=True, rename="camel"):
    """Ports of one protocol: one number to `end_port`, a name on the target pod, or all."""

    protocol: Protocol = "TCP"
    port: _Number | str | None = None
    end_port: _Number | None = None


class _Ingress(Struct, frozen=True, rename={"peers": "from"}):
    peers: tuple[Peer, ...] = ()
    ports: tuple[Port, ...] = ()


class _Egress(Struct, frozen=True, rename={"peers": "to"}):
    peers: tuple[Peer, ...] = ()
    ports: tuple[Port, ...] = ()


Rule = _Ingress | _Egress
"""Allows its ports for its peers; without peers for all of them, without ports all ports."""


class _Spec(Struct, frozen=True, rename="camel"):
    pod_selector: Selector = Selector()
    policy_types: tuple[Literal["Ingress", "Egress"], ...] = ()
    ingress: tuple[_Ingress, ...] = ()
    egress: tuple[_Egress, ...] = ()


class Policy(Struct, frozen=True):
    """One policy: whom it selects, and what it allows; None for a direction that is not its."""

    name: str
    selector: Selector
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None


def read_policy(name: str, spec: Mapping[str, object]) -> Policy:
    """The policy with this `spec`.

    Without `policyTypes` it is for what comes in, and for what goes out where it has a rule
    for that (SetDefaults_NetworkPolicy).

    Raises:
        Unreadable: a field of a wrong form or range, or a peer that names nobody.
    """
    try:
        read = msgspec.convert(spec, _Spec)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise Unreadable(f"NetworkPolicy {name}: {error}") from error
    for rule in read.ingress:
        _refuse_malformed(name, rule)
    for way in read.egress:
        _refuse_malformed(name, way)
    types = read.policy_types or (("Ingress", "Egress") if read.egress else ("Ingress",))
    return Policy(
        name,
        read.pod_selector,
        read.ingress if "Ingress" in types else None,
        read.egress if "Egress" in types else None,
    )


def _refuse_malformed(name: str, rule: Rule) -> None:
    for peer in rule.peers:
        if peer == Peer():
            raise Unreadable(f"NetworkPolicy {name}: a peer without any selector")
        for cidr in (peer.ip_block.cidr, *peer.ip_block.excluded) if peer.ip_block else ():
            try:
                _network(cidr)
            except ValueError as error:
                raise Unreadable(f"NetworkPolicy {name}: {error}") from error
    if any(p.end_port and not _ends(p, p.end_port) for p in rule.ports):
        raise Unreadable(f"NetworkPolicy {name}: endPort without a lower number in port")


def _ends(port: Port, last: int) -> bool:
    return isinstance(port.port, int) and port.port <= last


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(cidr, strict=False)
