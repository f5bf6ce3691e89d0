"""The fields that our examples use of kinds that are not Kubernetes' own, and their types.

Read from the CRDs: Argo Rollouts 1.9 `analysis-template-crd.yaml`, Flagger `crd.yaml`, Tekton
`300-task.yaml` and `300-pipeline.yaml`. What stands under `CORE` is of Kubernetes, and held to
its own schema. A field that is not here is one that we have not looked up.
"""

from collections.abc import Iterator
from typing import Any

CORE = object()
"""Not looked into: a Job's own fields."""
_META = {"name": str, "namespace": str, "labels": {"app.kubernetes.io/part-of": str}}
_JOB_META = {"labels": {"app.kubernetes.io/name": str, "app.kubernetes.io/part-of": str}}
_WEB = {"url": str, "timeoutSeconds": int, "jsonPath": str}
_ANALYSIS = {
    "args": [{"name": str, "value": str}],
    "metrics": [
        {
            **dict.fromkeys(("name", "interval", "successCondition", "failureCondition"), str),
            **dict.fromkeys(("count", "failureLimit", "inconclusiveLimit"), int),
            **dict.fromkeys(("consecutiveSuccessLimit", "consecutiveErrorLimit"), int),
            "provider": {"web": _WEB, "job": {"metadata": _JOB_META, "spec": CORE}},
        }
    ],
}
_HOOK = {
    **dict.fromkeys(("name", "type", "url", "timeout"), str),
    "metadata": {"workload": str, "max_age": str},
}
_CANARY = {
    "targetRef": dict.fromkeys(("apiVersion", "kind", "name"), str),
    "progressDeadlineSeconds": int,
    "service": {"port": int},
    "analysis": {
        "interval": str, "threshold": int, "maxWeight": int, "stepWeight": int, "webhooks": [_HOOK],
    },
}  # fmt: skip
_STEP = {
    **dict.fromkeys(("name", "image", "onError", "script"), str),
    "command": [str],
    "args": [str],
    "env": [{"name": str, "value": str}],
    "volumeMounts": [{"name": str, "mountPath": str}],
    "securityContext": CORE,
}
_TASK = {
    "description": str,
    "params": [{"name": str, "type": str, "default": str}],
    "results": [{"name": str, "description": str}],
    "volumes": CORE,
    "steps": [_STEP],
}
_PIPELINE = {
    "tasks": [
        {
            **dict.fromkeys(("name", "timeout", "onError"), str),
            "taskRef": {"name": str},
            "runAfter": [str],
            "taskSpec": {"steps": [_STEP]},
        }
    ]
}
FIELDS: dict[tuple[str, str], Any] = {
    ("argoproj.io/v1alpha1", "AnalysisTemplate"): _ANALYSIS,
    ("flagger.app/v1beta1", "Canary"): _CANARY,
    ("tekton.dev/v1", "Task"): _TASK,
    ("tekton.dev/v1", "Pipeline"): _PIPELINE,
}


def strange(made: dict[str, Any]) -> list[str]:
    """Fields of a whole object that are unknown or of another type, by their paths."""
    spec = FIELDS[made["apiVersion"], made["kind"]]
    known = {"apiVersion": str, "kind": str, "metadata": _META, "spec": spec}
    return list(_strange(made, known, made["kind"]))


def _strange(value: Any, known: Any, path: str) -> Iterator[str]:
    if known is CORE:
        return
    if isinstance(known, type):
        if type(value) is not known:
            yield f"{path} is no {known.__name__}"
    elif type(value) is not type(known):
        yield f"{path} is no {type(known).__name__}"
    elif isinstance(known, list):
        for number, one in enumerate(value):
            yield from _strange(one, known[0], f"{path}[{number}]")
    else:
        yield from (f"{path}.{name} is not known" for name in value.keys() - known.keys())
        for name in value.keys() & known.keys():
            yield from _strange(value[name], known[name], f"{path}.{name}")
