"""Names in the lab: what its name server knows, what resolvers are told, what endpoints say."""

from collections.abc import Sequence

from distcheck.lab.layout import NAMESPACE, Layout, Member
from distcheck.lab.name_server import NameServer
from distcheck.lab.pods import Object
from distcheck.lab.scenario import Scene

_DOMAIN = "svc.cluster.local"
_HOST = "53"
"""The last part of the name server's address."""


def server_ip(members: Sequence[Member]) -> str:
    """The address of the lab's name server, beside its pods."""
    return f"{members[0].ip.rpartition('.')[0]}.{_HOST}"


def make_server(scene: Scene, members: Sequence[Member]) -> NameServer:
    """The name server of the pods, as the scenario has it."""
    known = scene.names.server != "nodes"
    records = {name: ip for m in members for name, ip in _records(scene, members, m) if known}
    return NameServer(server_ip(members), records, silent=scene.names.server == "silent")


def _records(scene: Scene, members: Sequence[Member], member: Member) -> list[tuple[str, str]]:
    service = service_of(scene, members, member)
    full = f"{service}.{NAMESPACE}.{_DOMAIN}"
    return [(f"{member.pod}.{full}", member.ip)]


def service_of(scene: Scene, members: Sequence[Member], member: Member) -> str:
    """The headless Service of the pod: of a LeaderWorkerSet, the leader's."""
    return (members[0] if scene.leader_worker_set else member).workload


def write_resolver(layout: Layout, member: Member) -> None:
    """`resolv.conf` of the container, as the kubelet writes it; of the node's own, no search."""
    folder = member.container_root / "etc"
    folder.mkdir(parents=True, exist_ok=True)
    search = f"search {NAMESPACE}.{_DOMAIN} {_DOMAIN} cluster.local\noptions ndots:5\n"
    own = layout.world.names.server == "nodes"
    text = f"nameserver {server_ip(layout.members)}\n" + ("" if own else search)
    (folder / "resolv.conf").write_text(text)
    (folder / "hosts").write_text(f"127.0.0.1\tlocalhost\n{member.ip}\t{member.pod}\n")


def endpoint_slices(layout: Layout) -> list[Object]:
    """What the endpoint controller makes of the lab's Services."""
    by_service: dict[str, list[Member]] = {}
    for member in layout.members:
        name = service_of(layout.world, layout.members, member)
        by_service.setdefault(name, []).append(member)
    return [_slice(name, members) for name, members in by_service.items()]


def _slice(service: str, members: Sequence[Member]) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-lab",
            "namespace": NAMESPACE,
            "uid": f"slice-{service}",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [m.ip],
                "conditions": {"ready": True},
                "hostname": m.pod,
                "targetRef": {"kind": "Pod", "name": m.pod, "namespace": NAMESPACE},
            }
            for m in members
        ],
        "ports": [],
    }


def policies(layout: Layout) -> list[Object]:
    """The NetworkPolicy of the scenario, for all pods of the namespace."""
    inside: list[Object] = [{"podSelector": {}}]
    specs: dict[str, Object] = {
        "no-dns": {
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": inside}],
            "egress": [{"to": inside}],
        },
        "only-gcs": {
            "policyTypes": ["Ingress"],
            "ingress": [{"from": inside, "ports": [{"protocol": "TCP", "port": layout.gcs_port}]}],
        },
    }
    name = layout.world.policy
    if not name:
        return []
    meta = {"name": "within-the-group", "namespace": NAMESPACE, "uid": "policy"}
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": meta,
            "spec": {"podSelector": {}, **specs[name]},
        }
    ]
