"""The Kubernetes objects of the lab, as an API server would show them."""

from distcheck.lab.layout import AGENT_NAMESPACE, GPUS, NAMESPACE, NODES, Layout, Member
from distcheck.lab.lookups import endpoint_slices, policies
from distcheck.lab.pods import Object, condition, pod_spec, stamp, status
from distcheck.lab.workloads import (
    labels_of,
    leader_worker_set,
    meta,
    owner_of,
    service,
    stateful_set,
)


def objects_of(layout: Layout) -> list[Object]:
    """Everything that `kubectl` can see in the lab."""
    owners = {m.workload: m for m in layout.members}.values()
    members = [_pod(layout, m) for m in layout.members]
    members += [stateful_set(layout, m) for m in owners]
    if layout.world.leader_worker_set:
        members += [leader_worker_set(layout), service(layout, layout.head)]
    else:
        members += [service(layout, m) for m in owners]
    here = {m.node for m in layout.members}
    agents = [_agent_pod(layout, node) for node in layout.world.agents if node in here]
    nodes = [_node(layout, node) for node in NODES]
    network = [*endpoint_slices(layout), *policies(layout)]
    return [*_namespaces(layout), *nodes, *members, *network, *agents, *_events(layout)]


def _namespaces(layout: Layout) -> list[Object]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": meta(layout, name, uid=f"ns-{name}"),
            "status": {"phase": "Active"},
        }
        for name in (NAMESPACE, AGENT_NAMESPACE)
    ]


def _node(layout: Layout, name: str) -> Object:
    resources = {"cpu": "64", "memory": "1056Gi", "nvidia.com/gpu": str(GPUS), "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": meta(layout, name, uid=f"node-{name}", labels=_NODE_LABELS),
        "spec": {},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [condition(layout, "Ready")],
            "addresses": [{"type": "Hostname", "address": name}],
            "nodeInfo": {
                "kubeletVersion": "v1.34.1",
                "containerRuntimeVersion": "containerd://2.1.4",
            },
        },
    }


def _pod(layout: Layout, member: Member) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(
            layout,
            member.pod,
            NAMESPACE,
            uid=member.uid,
            labels=labels_of(layout, member),
            ownerReferences=[owner_of(member)],
        ),
        "spec": pod_spec(layout, member),
        "status": status(layout, member.ip, "vllm", member.container_id),
    }


def _agent_pod(layout: Layout, node: str) -> Object:
    labels = {"app.kubernetes.io/name": "distcheck-agent"}
    name = f"distcheck-agent-{node}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(layout, name, AGENT_NAMESPACE, uid=f"pod-{name}", labels=labels),
        "spec": {
            "nodeName": node,
            "containers": [{"name": "agent", "image": "distcheck", "args": ["agent"]}],
        },
        "status": status(layout, "127.0.0.1", "agent", "0" * 64),
    }


def _events(layout: Layout) -> list[Object]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": meta(layout, f"{m.pod}.started", NAMESPACE, uid=f"event-{m.pod}"),
            "involvedObject": {"kind": "Pod", "name": m.pod, "namespace": NAMESPACE, "uid": m.uid},
            "reason": "Started",
            "message": "Started container vllm",
            "type": "Normal",
            "source": {"component": "kubelet"},
            "firstTimestamp": stamp(layout.started),
            "lastTimestamp": stamp(layout.started),
            "count": 1,
        }
        for m in layout.members
    ]


_NODE_LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.count": str(GPUS),
    "kubernetes.io/arch": "amd64",
}
