"""What the cluster's specs say of traffic between the pods: policies, namespaces, Services."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Missing, Seen

EPHEMERAL = (32768, 60999)
"""Linux's own net.ipv4.ip_local_port_range: ports that a program gets that asks for any."""


class PolicyPod(Struct, frozen=True, omit_defaults=True):
    """A pod as policies see it: its labels, its named TCP ports, its addresses, podIP first.

    `hosts` are the names that its spec puts into its `/etc/hosts`. `local_ports` is its
    net.ipv4.ip_local_port_range, which its spec may set; `mesh` is whether a service mesh takes
    its traffic.
    """

    key: str
    labels: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    ips: tuple[str, ...] = ()
    host_network: bool = False
    local_ports: tuple[int, int] = EPHEMERAL
    mesh: bool = False
    hosts: tuple[str, ...] = ()


class NamespaceLabels(Struct, frozen=True):
    """The labels of one namespace."""

    name: str
    labels: dict[str, str]


class NetworkPolicies(Seen, frozen=True, tag="network-policies"):
    """All NetworkPolicies of the group's namespace, as `spec` of networking.k8s.io/v1.

    `specs` are by name. `namespaces` are there for `namespaceSelector`;
    `others` names policies of engines that are not evaluated here (`CiliumNetworkPolicy/x`).
    `unasked` says what could not be listed, and why.
    """

    specs: dict[str, dict[str, object]]
    source: str
    pods: tuple[PolicyPod, ...] = ()
    namespaces: tuple[NamespaceLabels, ...] | Missing = Missing("namespaces were not read")
    others: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()
    seen_at: str | None = None


class ServiceSeen(Struct, frozen=True, omit_defaults=True):
    """A Service that a name of the group may mean, with the addresses behind it.

    `hostnames` are addresses by the host name that endpoints give them. `selector` chooses its
    pods; empty where others write its endpoints.
    """

    name: str
    namespace: str
    cluster_ips: tuple[str, ...] = ()
    headless: bool = False
    external_name: str = ""
    publish_not_ready: bool = False
    addresses: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    hostnames: dict[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    selector: dict[str, str] = field(default_factory=dict)


class NameWanted(Struct, frozen=True, omit_defaults=True):
    """A name, or an address, by which a pod's spec lets it join others; `pod` is its key."""

    pod: str
    name: str
    used_for: str
    port: int | None = None


class Services(Seen, frozen=True, tag="services"):
    """The Services of the group's namespace, as far as names of the group may mean them.

    `wanted` are the names that the specs of the group's pods join by. `unasked` says what
    could not be read of them, and why.
    """

    services: tuple[ServiceSeen, ...]
    source: str
    seen_at: str | None = None
    wanted: tuple[NameWanted, ...] = ()
    unasked: tuple[str, ...] = ()
