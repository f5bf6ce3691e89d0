"""NetworkPolicies are listed, and policies of other engines are named."""

from pathlib import Path
from typing import Any

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.policies import look_policies
from distcheck.agent.cluster.policy_pods import policy_pod
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.policy import NamespaceLabels, NetworkPolicies, PolicyPod
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import obj, two_nodes
from tests.cluster.manifests.world import cluster

POLICY = "networking.k8s.io/v1"
MESHED = PolicyPod("llm/x", mesh=True)


def policy(name: str, **spec: Any) -> dict[str, Any]:
    return obj(POLICY, "NetworkPolicy", name, spec={"podSelector": {}, **spec})


def looked(
    tmp_path: Path, *objects: dict[str, Any], pods: tuple[PolicyPod, ...] = (), **more: Any
) -> tuple[NetworkPolicies | Missing, int]:
    with cluster(tmp_path, [obj("v1", "Namespace", "llm", None), *objects], **more) as (api, _, _):
        return look_policies(api, "llm", pods), api.calls


def test_an_empty_list_is_seen_as_such_in_two_calls(tmp_path: Path) -> None:
    seen, calls = looked(tmp_path)
    assert isinstance(seen, NetworkPolicies)
    assert (seen.specs, seen.others, seen.unasked, calls) == ({}, (), (), 2)
    assert seen.source.endswith("/namespaces/llm/networkpolicies")


def test_labels_of_the_namespace_are_read_where_a_policy_asks_for_labels(tmp_path: Path) -> None:
    chosen = policy("a", ingress=[{"from": [{"namespaceSelector": {}}]}])
    seen, calls = looked(tmp_path, chosen)
    assert isinstance(seen, NetworkPolicies)
    assert seen.namespaces == (NamespaceLabels("llm", {}),)
    assert calls == 3


def test_policies_of_an_engine_that_is_there_are_named(tmp_path: Path) -> None:
    guard = obj("cilium.io/v2", "CiliumNetworkPolicy", "guard", spec={})
    seen, _ = looked(tmp_path, guard)
    assert isinstance(seen, NetworkPolicies)
    assert seen.others == ("ciliumnetworkpolicies.cilium.io/guard",)
    assert seen.unasked == ()


def test_a_mesh_counts_only_for_pods_in_it(tmp_path: Path) -> None:
    strict = obj("security.istio.io/v1", "PeerAuthentication", "strict", spec={})
    outside, _ = looked(tmp_path, strict)
    inside, _ = looked(tmp_path, strict, pods=(MESHED,))
    assert isinstance(outside, NetworkPolicies)
    assert isinstance(inside, NetworkPolicies)
    assert (outside.others, inside.others) == (
        (),
        ("peerauthentications.security.istio.io/strict",),
    )


def test_a_list_that_is_refused_is_named_and_the_policies_themselves_are_missing(
    tmp_path: Path,
) -> None:
    guard = obj("cilium.io/v2", "CiliumNetworkPolicy", "guard", spec={})
    no_guard = Denial(resources=("ciliumnetworkpolicies",))
    seen, _ = looked(tmp_path, guard, denied=[no_guard])
    assert isinstance(seen, NetworkPolicies)
    assert "ciliumnetworkpolicies.cilium.io could not be listed" in seen.unasked[0]
    gone, _ = looked(tmp_path, denied=[Denial(resources=("networkpolicies",))])
    assert isinstance(gone, Missing)
    assert "could not be listed" in gone.reason


def test_pods_of_a_group_come_with_labels_and_addresses(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        seen = find_group(api, "llm", "vllm-head-0").seen
    assert [p.key for p in seen] == ["llm/vllm-head-0", "llm/vllm-worker-0"]
    assert all(p.ips and p.labels for p in seen)


def raw(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "a", "namespace": "llm"}, "spec": spec}


def test_a_pods_own_range_of_random_ports_is_read() -> None:
    setting = {"name": "net.ipv4.ip_local_port_range", "value": "40000\t40100"}
    assert policy_pod(raw(securityContext={"sysctls": [setting]})).local_ports == (40000, 40100)
    assert policy_pod(raw()).local_ports == (32768, 60999)


def test_named_ports_a_mesh_and_the_nodes_network_are_read() -> None:
    box = {"name": "vllm", "ports": [{"name": "gcs", "containerPort": 6379}, {"name": "x"}]}
    seen = policy_pod(raw(containers=[box, {"name": "istio-proxy"}], hostNetwork=True))
    assert (seen.ports, seen.mesh, seen.host_network) == ({"gcs": 6379}, True, True)


def test_a_port_named_for_udp_is_not_a_tcp_port_and_host_aliases_are_read() -> None:
    udp = {"name": "gcs", "containerPort": 6379, "protocol": "UDP"}
    tcp = {"name": "http", "containerPort": 8000, "protocol": "TCP"}
    alias = {"ip": "10.0.0.2", "hostnames": ["vllm-head", "head"]}
    seen = policy_pod(raw(containers=[{"name": "vllm", "ports": [udp, tcp]}], hostAliases=[alias]))
    assert (seen.ports, seen.hosts) == ({"http": 8000}, ("vllm-head", "head"))
