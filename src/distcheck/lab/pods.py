"""The lab's pods as an API server shows them: spec and status."""

from datetime import datetime
from typing import Any

from distcheck.lab import specs
from distcheck.lab.layout import GPUS, Layout, Member

Object = dict[str, Any]
SHM = "/dev/shm"
OFFICIAL = "vllm/vllm-openai:v0.10.2"
OWN = "registry.example.com/llm/vllm-nnodes:7"
"""Somebody's build: the official image takes `--nnodes` since 0.11.1 only."""


def pod_spec(layout: Layout, member: Member) -> Object:
    """The spec that the StatefulSet and its pod share."""
    return {
        "nodeName": member.node,
        "hostname": member.pod,
        "subdomain": (layout.head if layout.world.leader_worker_set else member).workload,
        "restartPolicy": "Always",
        "containers": [_container(layout, member), *_sidecar(layout)],
        "volumes": [
            *_shm_volume(layout),
            {"name": "models", "persistentVolumeClaim": {"claimName": "models"}},
        ],
    }


def _image(layout: Layout) -> str:
    return OWN if layout.world.leader_worker_set else OFFICIAL


def _container(layout: Layout, member: Member) -> Object:
    command, args = specs.declared(layout, member)
    gpus = {"nvidia.com/mig-3g.40gb": "1"} if layout.world.mig else {"nvidia.com/gpu": str(GPUS)}
    limits = {**gpus, "cpu": "60", "memory": f"{layout.world.shm.memory_mib}Mi"}
    if layout.world.has_devices and not layout.world.mig:
        limits["rdma/hca_shared_devices_a"] = "1"
    return {
        "name": "vllm",
        "image": _image(layout),
        "command": command,
        "args": args,
        "env": _env(layout),
        "resources": {"limits": limits, "requests": limits},
        "ports": [{"containerPort": layout.gcs_port, "name": "gcs", "protocol": "TCP"}]
        if layout.world.ray
        else [],
        **_security(layout),
        "volumeMounts": ([] if layout.world.shm.beside else _shm_mounts(layout))
        + [{"name": "models", "mountPath": "/models", "readOnly": True}],
    }


def _security(layout: Layout) -> Object:
    """IPC_LOCK where pods have RDMA, but for those that may not lock memory."""
    world = layout.world
    if not world.has_devices or world.mig or world.rdma.memlock != "unlimited":
        return {}
    return {"securityContext": {"capabilities": {"add": ["IPC_LOCK"]}}}


def _env(layout: Layout) -> list[Object]:
    by_field = {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}
    own: list[Object] = [
        {"name": "VLLM_HOST_IP", "valueFrom": by_field},
        *specs.environ(layout.world),
    ]
    if layout.world.leader_worker_set:
        own.append({"name": "LWS_LEADER_ADDRESS", "value": specs.LEADER})
    return own


def _shm_volume(layout: Layout) -> list[Object]:
    shm = layout.world.shm
    if shm.mounted == "runtime" and not shm.beside:
        return []
    limit = f"{shm.declared_mib or shm.mib}Mi"
    return [{"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": limit}}]


def _shm_mounts(layout: Layout) -> list[Object]:
    return [{"name": v["name"], "mountPath": SHM} for v in _shm_volume(layout)]


def _sidecar(layout: Layout) -> list[Object]:
    """A container that somebody put first in mind, and the volume with it."""
    if not layout.world.shm.beside:
        return []
    limits = {"cpu": "1", "memory": "1Gi"}
    return [
        {
            "name": "proxy",
            "image": "proxy",
            "resources": {"limits": limits, "requests": limits},
            "volumeMounts": _shm_mounts(layout),
        }
    ]


def status(layout: Layout, ip: str, container: str, container_id: str) -> Object:
    """A running, ready pod of one container."""
    since = stamp(layout.started)
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": since,
        "conditions": [condition(layout, kind) for kind in kinds],
        "containerStatuses": [
            {
                "name": container,
                "image": _image(layout) if container == "vllm" else "distcheck",
                "imageID": "",
                "containerID": f"containerd://{container_id}",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": since}},
                "lastState": {},
            }
        ],
    }


def condition(layout: Layout, kind: str) -> Object:
    """A condition that has held since the start."""
    return {"type": kind, "status": "True", "lastTransitionTime": stamp(layout.started)}


def stamp(moment: datetime) -> str:
    """A time as Kubernetes writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
