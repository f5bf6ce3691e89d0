"""A pod that nothing owns: what somebody applied, without what was put in since."""

import json

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.members import annotations_of

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_TOKEN = "kube-api-access-"  # noqa: S105 - how the API server calls the volume that it puts in
_PUT_IN = ("nodeName", "tolerations", "priority", "preemptionPolicy")


def as_applied(pod: Object) -> Object:
    """`pod` as `kubectl apply` was given it, with its images of now; else as far as can be told.

    The ServiceAccount admission controller mounts a volume `kube-api-access-...`, DefaultToleration
    adds two tolerations (Kubernetes, plugin/pkg/admission).
    """
    applied = _applied(pod)
    return {**pod, "spec": _with_images(applied, pod) if applied else _own(pod)}


def _applied(pod: Object) -> Object:
    try:
        told = json.loads(annotations_of(pod).get(_APPLIED) or "{}")
        spec = told["spec"]
        whole = all(isinstance(c, dict) for c in spec["containers"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}
    return spec if whole else {}


def _with_images(spec: Object, pod: Object) -> Object:
    """An image is what of a pod's containers can be changed later."""
    now = {c.get("name"): c.get("image") for c in (pod.get("spec") or {}).get("containers") or ()}
    images = ({**c, "image": now.get(c.get("name")) or c.get("image")} for c in spec["containers"])
    return {**spec, "containers": [{k: v for k, v in c.items() if v is not None} for c in images]}


def _own(pod: Object) -> Object:
    spec = {k: v for k, v in (pod.get("spec") or {}).items() if k not in _PUT_IN}
    for part in ("containers", "initContainers"):
        if part in spec:
            spec[part] = [_without_token(c, "volumeMounts") for c in spec[part]]
    return _without_token(spec, "volumes")


def _without_token(one: Object, key: str) -> Object:
    kept = [v for v in one.get(key) or () if not str(v.get("name", "")).startswith(_TOKEN)]
    return {k: v for k, v in one.items() if k != key} | ({key: kept} if kept else {})
