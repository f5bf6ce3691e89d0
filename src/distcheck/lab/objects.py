"""The Kubernetes objects of the lab, as an API server would show them."""

from distcheck.lab.layout import AGENT_NAMESPACE, GPUS, NAMESPACE, NODES, Layout, Member
from distcheck.lab.pods import Object, condition, pod_spec, stamp, status


def objects_of(layout: Layout) -> list[Object]:
    """Everything that `kubectl` can see in the lab."""
    members = [o for m in layout.members for o in (_pod(layout, m), _set(layout, m), _service(m))]
    agents = [_agent_pod(layout, node) for node in layout.world.agents]
    nodes = [_node(layout, node) for node in NODES]
    return [*_namespaces(layout), *nodes, *members, *agents, *_events(layout)]


def _meta(layout: Layout, name: str, namespace: str | None = None, **more: object) -> Object:
    meta = {
        "name": name,
        "creationTimestamp": stamp(layout.started),
        "resourceVersion": "1",
        **more,
    }
    return meta | ({"namespace": namespace} if namespace else {})


def _namespaces(layout: Layout) -> list[Object]:
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": _meta(layout, name, uid=f"ns-{name}"),
            "status": {"phase": "Active"},
        }
        for name in (NAMESPACE, AGENT_NAMESPACE)
    ]


def _node(layout: Layout, name: str) -> Object:
    resources = {"cpu": "64", "memory": "1056Gi", "nvidia.com/gpu": str(GPUS), "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _meta(layout, name, uid=f"node-{name}", labels=_NODE_LABELS),
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
        "metadata": _meta(
            layout,
            member.pod,
            NAMESPACE,
            uid=member.uid,
            labels=_labels(member),
            ownerReferences=[_owner(member)],
        ),
        "spec": pod_spec(layout, member),
        "status": status(layout, member.ip, "vllm", member.container_id),
    }


def _set(layout: Layout, member: Member) -> Object:
    labels = _labels(member)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": _meta(layout, member.workload, NAMESPACE, uid=_set_uid(member), labels=labels),
        "spec": {
            "replicas": 1,
            "serviceName": member.workload,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(layout, member)},
        },
        "status": {"replicas": 1, "readyReplicas": 1, "currentReplicas": 1, "updatedReplicas": 1},
    }


def _service(member: Member) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": member.workload,
            "namespace": NAMESPACE,
            "uid": f"svc-{member.workload}",
        },
        "spec": {
            "clusterIP": "None",
            "type": "ClusterIP",
            "selector": _labels(member),
            "publishNotReadyAddresses": True,
            "ports": [{"name": "gcs", "port": 6379, "targetPort": "gcs", "protocol": "TCP"}],
        },
        "status": {"loadBalancer": {}},
    }


def _agent_pod(layout: Layout, node: str) -> Object:
    labels = {"app.kubernetes.io/name": "distcheck-agent"}
    name = f"distcheck-agent-{node}"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _meta(layout, name, AGENT_NAMESPACE, uid=f"pod-{name}", labels=labels),
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
            "metadata": _meta(layout, f"{m.pod}.started", NAMESPACE, uid=f"event-{m.pod}"),
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


def _labels(member: Member) -> dict[str, str]:
    return {"app": member.workload}


def _owner(member: Member) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": member.workload,
        "uid": _set_uid(member),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _set_uid(member: Member) -> str:
    return f"set-{member.workload}"


_NODE_LABELS = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
    "nvidia.com/gpu.count": str(GPUS),
    "kubernetes.io/arch": "amd64",
}
