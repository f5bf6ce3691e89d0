"""What an object is: fragments and Helm values, which do not say it, are told by their keys."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

NIM_VALUES = "NIM Helm values"
CONTAINER = "container"
_SIGNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("LeaderWorkerSet", frozenset({"leaderWorkerTemplate"})),
    ("RayCluster", frozenset({"headGroupSpec"})),
    ("RayCluster", frozenset({"workerGroupSpecs"})),
    ("RayService", frozenset({"rayClusterConfig", "serveConfigV2"})),
    ("RayJob", frozenset({"rayClusterSpec", "entrypoint"})),
    ("MPIJob", frozenset({"mpiReplicaSpecs"})),
    ("InferenceService", frozenset({"predictor"})),
    ("StatefulSet", frozenset({"serviceName", "template"})),
    ("Deployment", frozenset({"selector", "template"})),
    ("Deployment", frozenset({"replicas", "template"})),
    ("Job", frozenset({"template"})),
    ("Pod", frozenset({"containers"})),
    ("Service", frozenset({"ports", "selector"})),
)


_GROUPS: Mapping[str, frozenset[str]] = {
    "LeaderWorkerSet": frozenset({"leaderworkerset.x-k8s.io"}),
    "RayCluster": frozenset({"ray.io"}),
    "RayService": frozenset({"ray.io"}),
    "RayJob": frozenset({"ray.io"}),
    "RayClusterFleet": frozenset({"orchestration.aibrix.ai"}),
    "RayClusterReplicaSet": frozenset({"orchestration.aibrix.ai"}),
    "StormService": frozenset({"orchestration.aibrix.ai"}),
    "MPIJob": frozenset({"kubeflow.org"}),
    "NIMService": frozenset({"apps.nvidia.com"}),
    "Rollout": frozenset({"argoproj.io"}),
    "JobSet": frozenset({"jobset.x-k8s.io"}),
    "DynamoGraphDeployment": frozenset({"nvidia.com"}),
    **dict.fromkeys(
        ("InferenceService", "ServingRuntime", "ClusterServingRuntime", "LLMInferenceService",
         "LLMInferenceServiceConfig"), frozenset({"serving.kserve.io"}),
    ),
}  # fmt: skip
_OWN = frozenset({"resources", "command", "args", "env", "ports", "volumeMounts"})


class Unknown(Exception):  # noqa: N818 - an answer, not an error
    """Nothing tells what it is."""


class Known(Struct, frozen=True):
    """What an object is.

    A `fragment` does not say it all itself; of one that is only a `spec`, that key is missing.
    """

    kind: str
    fragment: bool = False
    bare_spec: bool = False


def kind_of(value: Mapping[str, Any]) -> Known:
    """Its kind.

    Raises:
        Unknown: nothing tells what it is.
    """
    named = value.get("kind")
    if isinstance(named, str) and named:
        group = str(value.get("apiVersion") or "").rpartition("/")[0]
        meant = named if is_of(named, group) else f"{named}.{group}"
        return Known(meant, "apiVersion" not in value)
    spec = value.get("spec")
    if isinstance(spec, dict):
        return Known(_seems(spec), fragment=True)
    if _is_nim_values(value):
        return Known(NIM_VALUES)
    named_image = isinstance(value.get("image"), str) and isinstance(value.get("name"), str)
    if named_image and _OWN & value.keys():
        return Known(CONTAINER, fragment=True)
    return Known(_seems(value), fragment=True, bare_spec=True)


def subcharts(value: Mapping[str, Any]) -> list[str]:
    """The keys of Helm values of an umbrella chart below which values of a NIM stand."""
    if {"kind", "apiVersion", "spec"} & value.keys():
        return []
    below = {k: v for k, v in value.items() if isinstance(v, dict)}
    found = [k for k, v in below.items() if _is_nim_values(v) and v.get("enabled") is not False]
    return [] if not found or _is_known(value) else found


def _is_known(value: Mapping[str, Any]) -> bool:
    try:
        kind_of(value)
    except Unknown:
        return False
    return True


def is_of(kind: str, group: str) -> bool:
    """Whether this kind is of this API group: Volcano has a `Job` too, Knative a `Service`."""
    if kind in _GROUPS:
        return not group or group in _GROUPS[kind]
    return "." not in group or group.endswith(".k8s.io")


def _seems(spec: Mapping[str, Any]) -> str:
    for kind, signs in _SIGNS:
        if not signs <= spec.keys() or ("template" in signs and not _makes_pods(spec["template"])):
            continue
        if "containers" in signs and isinstance(spec["containers"], dict):
            continue
        if "headGroupSpec" not in signs or _is_group(spec["headGroupSpec"]):
            return kind
    raise Unknown


def _makes_pods(template: Any) -> bool:
    """Whether it is a pod template: Ansible's tasks have a `template` too, of files."""
    return isinstance(template, dict) and bool(template.keys() & {"metadata", "spec"})


def _is_group(group: Any) -> bool:
    """Whether it is a group of Ray's: values of a chart may be called so, without pods."""
    return isinstance(group, dict) and "template" in group


def _is_nim_values(value: Mapping[str, Any]) -> bool:
    """Values of the chart nim-llm: an image of NIM, or multiNode beside a model."""
    image, model = value.get("image"), value.get("model")
    repository = image.get("repository") if isinstance(image, dict) else None
    nim = isinstance(repository, str) and "/nim/" in repository
    return nim or (isinstance(value.get("multiNode"), dict) and isinstance(model, dict))
