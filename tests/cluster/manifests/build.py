"""Builders of Kubernetes objects for tests: plain dicts, one call an object."""

from typing import Any

Object = dict[str, Any]

HEAD_SCRIPT = (
    "ray start --head --port=6379 --num-gpus=8 && "
    "exec vllm serve /models/llama --tensor-parallel-size 16 --distributed-executor-backend ray"
)
WORKER_SCRIPT = "exec ray start --block --address=vllm-head-0.vllm-head:6379 --num-gpus=8"
STARTED = "2026-11-20T08:00:00Z"


def obj(api: str, kind: str, name: str, namespace: str | None = "llm", **more: Any) -> Object:
    meta: Object = {"name": name, "uid": f"{kind.lower()}-{name}", "creationTimestamp": STARTED}
    if namespace:
        meta["namespace"] = namespace
    meta |= more.pop("meta", {})
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def owner(kind: str, name: str, api: str = "apps/v1") -> dict[str, Any]:
    one = {"apiVersion": api, "kind": kind, "name": name, "uid": f"{kind.lower()}-{name}"}
    return {"ownerReferences": [{**one, "controller": True}]}


def container(script: str, name: str = "vllm", gpus: int = 8, **more: Any) -> Object:
    limits = {"nvidia.com/gpu": str(gpus)} if gpus else {}
    command = ["/bin/sh", "-c", script]
    return {"name": name, "image": "vllm:0.10.2", "command": command,
            "resources": {"limits": limits}, **more}  # fmt: skip


def pod(name: str, node: str | None, ip: str | None, *containers: Object, **more: Any) -> Object:
    meta = more.pop("meta", {})
    namespace = more.pop("namespace", "llm")
    spec = {"nodeName": node, "containers": list(containers), "restartPolicy": "Always", **more}
    statuses = [
        {"name": c["name"], "ready": True, "restartCount": 0, "image": c.get("image", "x"),
         "imageID": "", "state": {"running": {"startedAt": STARTED}}}
        for c in containers
    ]  # fmt: skip
    status = {"phase": "Running", "podIP": ip, "containerStatuses": statuses,
              "conditions": [{"type": "Ready", "status": "True"}]}  # fmt: skip
    return obj("v1", "Pod", name, namespace, meta=meta, spec=spec, status=status)


def statefulset(name: str, replicas: int = 1) -> Object:
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "serviceName": name, "selector": selector}
    return obj("apps/v1", "StatefulSet", name, spec=spec)


def service(name: str, selector: dict[str, str]) -> Object:
    return obj("v1", "Service", name, spec={"clusterIP": "None", "selector": selector})


def member(name: str, node: str, ip: str, script: str, **more: Any) -> Object:
    """A pod of a StatefulSet named like it without its ordinal."""
    workload = name.rpartition("-")[0]
    meta = {"labels": {"app": workload}, **owner("StatefulSet", workload)}
    return pod(name, node, ip, container(script, **more), meta=meta,
               hostname=name, subdomain=workload)  # fmt: skip


def agent(node: str) -> Object:
    labels = {"labels": {"app.kubernetes.io/name": "distcheck-agent"}}
    one = {"name": "agent", "image": "distcheck"}
    return pod(f"distcheck-agent-{node}", node, "10.0.0.9", one, meta=labels, namespace="distcheck")


def two_nodes(worker: str = WORKER_SCRIPT, head: str = HEAD_SCRIPT) -> list[Object]:
    """The usual group: a head and a worker, tied only by `ray start --address`."""
    return [
        obj("v1", "Namespace", "llm", None),
        obj("v1", "Namespace", "distcheck", None),
        statefulset("vllm-head"),
        statefulset("vllm-worker"),
        service("vllm-head", {"app": "vllm-head"}),
        member("vllm-head-0", "gpu-a", "127.77.0.2", head),
        member("vllm-worker-0", "gpu-b", "127.77.0.3", worker),
        agent("gpu-a"),
        agent("gpu-b"),
    ]
