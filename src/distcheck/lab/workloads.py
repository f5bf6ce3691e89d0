"""The workloads that own the lab's pods, and the Services that lead to them."""

from distcheck.lab.layout import NAMESPACE, Layout, Member
from distcheck.lab.pods import Object, pod_spec, stamp

_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas")


def stateful_set(layout: Layout, member: Member) -> Object:
    """The owner of the member's pod, and of each other pod of its workload."""
    labels, count = labels_of(layout, member), _replicas(layout, member)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": meta(layout, member.workload, NAMESPACE, uid=_set_uid(member), labels=labels),
        "spec": {
            "replicas": count,
            "serviceName": member.workload,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(layout, member)},
        },
        "status": dict.fromkeys(_COUNTS, count),
    }


def _replicas(layout: Layout, member: Member) -> int:
    return sum(m.workload == member.workload for m in layout.members)


def service(layout: Layout, member: Member) -> Object:
    """The headless Service of the member's workload; of a LeaderWorkerSet, of all its pods."""
    labels = labels_of(layout, member)
    if layout.world.leader_worker_set:
        labels = {name: labels[name] for name in labels if name.endswith("/name")}
    port = ("gcs", 6379, "gcs") if layout.world.ray else ("http", 8000, 8000)
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
            "selector": labels,
            "publishNotReadyAddresses": True,
            "ports": [
                dict(zip(("name", "port", "targetPort"), port, strict=True)) | {"protocol": "TCP"}
            ],
        },
        "status": {"loadBalancer": {}},
    }


def labels_of(layout: Layout, member: Member) -> dict[str, str]:
    """The labels of the member's pod."""
    if not layout.world.leader_worker_set:
        return {"app": member.workload}
    group = "leaderworkerset.sigs.k8s.io"
    return {
        f"{group}/name": layout.head.workload,
        f"{group}/group-index": "0",
        f"{group}/worker-index": str(layout.members.index(member)),
    }


def leader_worker_set(layout: Layout) -> Object:
    """What ties the pods together where no Ray does."""
    name, size = layout.head.workload, len(layout.members)
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": meta(layout, name, NAMESPACE, uid=f"lws-{name}"),
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": size, **_templates(layout)}},
        "status": {"replicas": 1, "readyReplicas": 1},
    }


def _templates(layout: Layout) -> Object:
    """Without what lws puts into the pods: their names, their node, the leader's address."""
    found = {}
    for part, member in (("leaderTemplate", layout.head), ("workerTemplate", layout.members[-1])):
        spec = pod_spec(layout, member)
        for name in ("nodeName", "hostname", "subdomain"):
            del spec[name]
        for one in spec["containers"]:
            one["env"] = [e for e in one.get("env", ()) if e["name"] != "LWS_LEADER_ADDRESS"]
        found[part] = {"spec": spec}
    return found


def owner_of(member: Member) -> Object:
    """The pod's reference to its StatefulSet."""
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


def meta(layout: Layout, name: str, namespace: str | None = None, **more: object) -> Object:
    """Metadata as old as the containers."""
    meta = {
        "name": name,
        "creationTimestamp": stamp(layout.started),
        "resourceVersion": "1",
        **more,
    }
    return meta | ({"namespace": namespace} if namespace else {})
