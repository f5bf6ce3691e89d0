"""What a cluster makes of manifests: the objects that each kind's controller would create.

Names, labels, annotations and environment are those of the controllers' own sources: lws
(`pod_webhook.go`, `pod_controller.go`), kuberay (`common/pod.go`), mpi-operator
(`mpi_job_controller.go`). A pod gets a node of its own, runs, and is ready.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

Object = dict[str, Any]

LWS = "leaderworkerset.sigs.k8s.io"
MPI = "training.kubeflow.org"
STARTED = "2026-11-20T08:00:00Z"


def made(manifests: Iterable[Object], namespace: str = "llm") -> list[Object]:
    """The manifests and everything that controllers make of them, pods on nodes last."""
    known = [_stored(copy.deepcopy(m), namespace) for m in manifests]
    waiting = list(known)
    while waiting:
        parent = waiting.pop(0)
        maker = _MAKERS.get(parent["kind"])
        stored = [_stored(c, namespace) for c in (maker(parent) if maker else ())]
        known += stored
        waiting += stored
    number = count(1)
    return [_running(o, next(number)) if o["kind"] == "Pod" else o for o in known]


def named(objects: Iterable[Object], name: str, kind: str = "Pod") -> Object:
    """The object of that name; a test changes it in place."""
    return next(o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, name))


def without(objects: Iterable[Object], *pods: str) -> list[Object]:
    """The same without these pods."""
    return [o for o in objects if o["kind"] != "Pod" or o["metadata"]["name"] not in pods]


def _stored(one: Object, namespace: str) -> Object:
    meta = one["metadata"]
    meta.setdefault("namespace", namespace)
    meta.setdefault("uid", f"{one['kind'].lower()}-{meta['name']}")
    meta.setdefault("creationTimestamp", STARTED)
    return one


def _running(pod: Object, number: int) -> Object:
    if "status" in pod:
        return pod
    spec = pod["spec"]
    spec.setdefault("nodeName", f"gpu-{number}")
    statuses = [
        {"name": c["name"], "ready": True, "restartCount": 0, "image": c.get("image", ""),
         "imageID": "", "state": {"running": {"startedAt": STARTED}}}
        for c in spec["containers"]
    ]  # fmt: skip
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    conditions = [{"type": k, "status": "True", "lastTransitionTime": STARTED} for k in kinds]
    pod["status"] = {"phase": "Running", "podIP": f"10.0.0.{number}", "hostIP": "192.0.2.1",
                     "conditions": conditions, "containerStatuses": statuses}  # fmt: skip
    return pod


def _child(parent: Object, kind: str, name: str, api: str, **more: Any) -> Object:
    reference = {"apiVersion": parent["apiVersion"], "kind": parent["kind"], "controller": True,
                 "name": parent["metadata"]["name"], "uid": parent["metadata"]["uid"]}  # fmt: skip
    meta = {"name": name, "ownerReferences": [reference], **more.pop("meta", {})}
    return {"apiVersion": api, "kind": kind, "metadata": meta, **more}


def _pod(
    parent: Object, name: str, template: Object, labels: Object | None = None, **spec: Any
) -> Object:
    template = copy.deepcopy(template)
    meta = template.get("metadata") or {}
    more: Object = {"labels": (meta.get("labels") or {}) | (labels or {})}
    more["annotations"] = dict(meta.get("annotations") or {})
    return _child(parent, "Pod", name, "v1", meta=more, spec=template["spec"] | spec)


def _hash(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _deployment(one: Object) -> list[Object]:
    name = one["metadata"]["name"]
    digest = _hash(name, 10)
    labels = {"pod-template-hash": digest}
    spec = one["spec"] | {"replicas": one["spec"].get("replicas", 1)}
    meta = {"labels": labels}
    return [_child(one, "ReplicaSet", f"{name}-{digest}", "apps/v1", meta=meta, spec=spec)]


def _rollout(one: Object) -> list[Object]:
    """Argo Rollouts, `utils/replicaset`: as a Deployment does, with a label of its own."""
    name = one["metadata"]["name"]
    digest = _hash(name, 10)
    meta = {"labels": {"rollouts-pod-template-hash": digest}}
    spec = one["spec"] | {"replicas": one["spec"].get("replicas", 1)}
    return [_child(one, "ReplicaSet", f"{name}-{digest}", "apps/v1", meta=meta, spec=spec)]


def _replicaset(one: Object) -> list[Object]:
    name, labels = one["metadata"]["name"], one["metadata"]["labels"]
    template, replicas = one["spec"]["template"], one["spec"]["replicas"]
    tails = [_hash(f"{name}/{i}", 5) for i in range(replicas)]
    return [_pod(one, f"{name}-{tail}", template, labels) for tail in tails]


def _statefulset(one: Object) -> list[Object]:
    name, spec = one["metadata"]["name"], one["spec"]
    start = (spec.get("ordinals") or {}).get("start", 0)
    pods = []
    for ordinal in range(start, start + spec.get("replicas", 1)):
        own = f"{name}-{ordinal}"
        labels = {"statefulset.kubernetes.io/pod-name": own}
        fields = {"hostname": own, "subdomain": spec.get("serviceName", "")}
        pods.append(_pod(one, own, spec["template"], labels, **fields))
    return pods


def _lws(one: Object) -> list[Object]:
    groups = range(one["spec"].get("replicas", 1))
    return [pod for group in groups for pod in _lws_group(one, group)]


def _lws_group(one: Object, group: int) -> list[Object]:
    """Leader and workers as the webhook leaves them; their StatefulSets are left out."""
    name, spec = one["metadata"]["name"], one["spec"]["leaderWorkerTemplate"]
    leader, size = f"{name}-{group}", spec.get("size", 1)
    pods = []
    for worker in range(size):
        template = spec["workerTemplate"] if worker else spec.get("leaderTemplate")
        own = f"{leader}-{worker}" if worker else leader
        pod = _pod(one, own, template or spec["workerTemplate"],
                   _lws_labels(name, leader, group, worker),
                   hostname=own, subdomain=name)  # fmt: skip
        notes = {f"{LWS}/size": str(size)} | ({f"{LWS}/leader-name": leader} if worker else {})
        pod["metadata"]["annotations"] |= notes
        for container in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())]:
            _add_env(container, LWS_LEADER_ADDRESS=f"{leader}.{name}.llm",
                     LWS_GROUP_SIZE=str(size), LWS_WORKER_INDEX=str(worker))  # fmt: skip
        pods.append(pod)
    return pods


def _lws_labels(name: str, leader: str, group: int, worker: int) -> Object:
    return {
        f"{LWS}/name": name,
        f"{LWS}/group-index": str(group),
        f"{LWS}/worker-index": str(worker),
        f"{LWS}/group-key": hashlib.sha1(f"llm/{leader}".encode()).hexdigest(),
        f"{LWS}/template-revision-hash": _hash(name, 10),
    }


def _add_env(container: Object, **values: str) -> None:
    """In front of what is there, so that later variables may use them."""
    have = container.get("env") or []
    names = {e["name"] for e in have}
    added = [{"name": k, "value": v} for k, v in values.items() if k not in names]
    container["env"] = added + have


def _raycluster(one: Object) -> list[Object]:
    name, spec = one["metadata"]["name"], one["spec"]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": f"{name}-head-svc"},
               "spec": {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {
                   "ray.io/cluster": name, "ray.io/node-type": "head"}}}  # fmt: skip
    start = _ray_start("--head --port=6379", spec["headGroupSpec"])
    pods = [_ray_pod(one, f"{name}-head-{_hash(name, 5)}", spec["headGroupSpec"], "head", start)]
    for group in spec.get("workerGroupSpecs", ()):
        pods += _ray_workers(one, group)
    return [service, *pods]


def _ray_workers(one: Object, group: Object) -> list[Object]:
    name = one["metadata"]["name"]
    start = _ray_start(f"--address={name}-head-svc.llm.svc.cluster.local:6379", group)
    pods = []
    for replica in range(int(group.get("replicas", 0))):
        for host in range(group.get("numOfHosts", 1)):
            tail = _hash(f"{replica}/{host}", 5)
            own = f"{name}-{group['groupName']}-worker-{tail}"
            pod = _ray_pod(one, own, group, "worker", start)
            if group.get("numOfHosts", 1) > 1:
                pod["metadata"]["labels"] |= {
                    "ray.io/worker-group-replica-name": f"{group['groupName']}-{replica}",
                    "ray.io/worker-group-replica-index": str(replica),
                    "ray.io/replica-host-index": str(host),
                }
            pods.append(pod)
    return pods


def _ray_start(how: str, group: Object) -> str:
    params = group.get("rayStartParams") or {}
    gpus = (group["template"]["spec"]["containers"][0].get("resources") or {}).get("limits") or {}
    given = {"num-gpus": gpus["nvidia.com/gpu"]} if "nvidia.com/gpu" in gpus else {}
    flags = "".join(f" --{k}={v}" for k, v in (given | params).items())
    return f"ray start {how} --block{flags} "


def _ray_pod(one: Object, name: str, group: Object, role: str, start: str) -> Object:
    cluster = one["metadata"]["name"]
    labels = {"ray.io/cluster": cluster, "ray.io/node-type": role, "ray.io/is-ray-node": "yes",
              "ray.io/group": group.get("groupName", "headgroup"),
              "app.kubernetes.io/name": "kuberay"}  # fmt: skip
    pod = _pod(one, name, group["template"], labels)
    ray = pod["spec"]["containers"][0]
    host = f"{cluster}-head-svc.llm.svc.cluster.local" if role == "worker" else "127.0.0.1"
    own = {"FQ_RAY_IP": host, "RAY_IP": f"{cluster}-head-svc"} if role == "worker" else {}
    added = own | {"KUBERAY_GEN_RAY_START_CMD": start, "RAY_PORT": "6379",
                   "RAY_ADDRESS": f"{host}:6379"}  # fmt: skip
    ray["env"] = [*(ray.get("env") or ()), *({"name": k, "value": v} for k, v in added.items())]
    ray.setdefault("command", ["/bin/bash", "-c", "--"])
    ray.setdefault("args", [f"ulimit -n 65536; {start}"])
    if role == "worker":
        until = f"until ray health-check --address {host}:6379; do sleep 5; done"
        wait = {"name": "wait-gcs-ready", "image": ray.get("image", ""),
                "command": ["/bin/bash", "-c", "--"], "args": [until]}  # fmt: skip
        pod["spec"]["initContainers"] = [wait, *pod["spec"].get("initContainers", ())]
    return pod


def _rayservice(one: Object) -> list[Object]:
    """One RayCluster for each that the status names."""
    status = one.get("status") or {}
    names = [(status.get(k) or {}).get("rayClusterName") for k in
             ("activeServiceStatus", "pendingServiceStatus")]  # fmt: skip
    return [_ray_child(one, n, "RayService", one["spec"]["rayClusterConfig"]) for n in names if n]


def _rayjob(one: Object) -> list[Object]:
    name = (one.get("status") or {}).get("rayClusterName", one["metadata"]["name"] + "-x7k2p")
    one.setdefault("status", {"rayClusterName": name, "jobDeploymentStatus": "Running"})
    return [_ray_child(one, name, "RayJob", one["spec"]["rayClusterSpec"])]


def _ray_child(one: Object, name: str, crd: str, spec: Object) -> Object:
    labels = {"ray.io/originated-from-cr-name": one["metadata"]["name"],
              "ray.io/originated-from-crd": crd}  # fmt: skip
    return _child(one, "RayCluster", name, "ray.io/v1", meta={"labels": labels}, spec=spec)


def _mpijob(one: Object) -> list[Object]:
    name, replicas = one["metadata"]["name"], one["spec"]["mpiReplicaSpecs"]
    common = {f"{MPI}/operator-name": "mpi-operator", f"{MPI}/job-name": name}
    launcher = copy.deepcopy(replicas["Launcher"]["template"])
    launcher["metadata"] = {"labels": common | {f"{MPI}/job-role": "launcher"}}
    launcher["spec"] |= {"hostname": f"{name}-launcher", "subdomain": name}
    spec = {"parallelism": 1, "completions": 1, "template": launcher}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
               "spec": {"clusterIP": "None", "selector": common}}  # fmt: skip
    worker = replicas["Worker"]
    pods = [
        _pod(one, f"{name}-worker-{i}", worker["template"],
             common | {f"{MPI}/job-role": "worker", f"{MPI}/replica-index": str(i)},
             hostname=f"{name}-worker-{i}", subdomain=name)
        for i in range(worker["replicas"])
    ]  # fmt: skip
    return [service, _child(one, "Job", f"{name}-launcher", "batch/v1", spec=spec), *pods]


def _job(one: Object) -> list[Object]:
    name, spec = one["metadata"]["name"], one["spec"]
    labels = {"batch.kubernetes.io/job-name": name}
    if spec.get("completionMode") != "Indexed":
        return [_pod(one, f"{name}-{_hash(name, 5)}", spec["template"], labels)]
    return [
        _pod(one, f"{name}-{i}-{_hash(str(i), 5)}", spec["template"],
             labels | {"batch.kubernetes.io/job-completion-index": str(i)}, hostname=f"{name}-{i}")
        for i in range(spec.get("parallelism", 1))
    ]  # fmt: skip


_MAKERS: dict[str, Callable[[Object], list[Object]]] = {
    "Deployment": _deployment,
    "ReplicaSet": _replicaset,
    "Rollout": _rollout,
    "StatefulSet": _statefulset,
    "LeaderWorkerSet": _lws,
    "RayCluster": _raycluster,
    "RayService": _rayservice,
    "RayJob": _rayjob,
    "MPIJob": _mpijob,
    "Job": _job,
}
