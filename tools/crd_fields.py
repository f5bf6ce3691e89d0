"""Makes src/distcheck/agent/manifests/crd_fields.json from the operators' own definitions.

    python tools/crd_fields.py FOLDER

FOLDER has CustomResourceDefinitions, named `Kind.NN.RELEASE.yaml` in the order of the releases: the
newest tells what a field takes, the older ones also which fields there were (an MPIJob of
kubeflow.org/v1 is the training operator's: its two are added here, and the two that the NIM
operator had in 2.x). Of kinds that FOLDER has not the table stays as it is. Known are an object's
own levels down to the pod templates and the types of Kubernetes in it; what is deeper is free.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
Types = dict[str, dict[str, str]]
HERE = Path(__file__).parents[1] / "src/distcheck/agent/manifests"
DEEP = {
    "RayCluster": 2, "RayService": 1, "RayJob": 1, "Rollout": 1, "JobSet": 2,
    "DynamoGraphDeployment": 4,
}  # fmt: skip
"""Levels below the object that are known; others have three."""
OPERATORS = {
    "LeaderWorkerSet": "lws", "RayCluster": "KubeRay", "RayService": "KubeRay", "RayJob": "KubeRay",
    "MPIJob": "the MPI operator", "NIMService": "the NIM operator", "Rollout": "Argo Rollouts",
    "JobSet": "JobSet", "InferenceService": "KServe", "ServingRuntime": "KServe",
    "ClusterServingRuntime": "KServe", "LLMInferenceService": "KServe",
    "LLMInferenceServiceConfig": "KServe", "DynamoGraphDeployment": "Dynamo",
}  # fmt: skip
_ALIKE = {
    "ClusterServingRuntime": "ServingRuntime", "LLMInferenceServiceConfig": "LLMInferenceService",
}  # fmt: skip
"""Kinds that have the fields of another."""
_INLINE = {
    "InferenceService model": "Container", "InferenceService predictor": "PodSpec",
    "InferenceService workerSpec": "PodSpec", "ServingRuntime spec": "PodSpec",
    "ServingRuntime workerSpec": "PodSpec", "DynamoGraphDeployment extraPodSpec": "PodSpec",
}  # fmt: skip
_MODELS = (
    "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml",
    "lightgbm", "paddle",
)  # fmt: skip
_BESIDE = ("serving.kserve.io", "nvidia.com")
_PLAIN = {"string": "str", "integer": "int", "boolean": "bool", "number": "float"}
_KUBERNETES = (
    "PodTemplateSpec", "EnvVar", "EnvFromSource", "ResourceRequirements", "LabelSelector",
    "Toleration", "Affinity", "VolumeMount", "PersistentVolumeClaim", "SecurityContext",
    "ObjectMeta", "Probe", "Container", "PodSpec", "Volume",
)  # fmt: skip


def main(folder: str) -> None:
    """Write the table: by type, each field and its type, as in fields.json."""
    known = json.loads((HERE / "fields.json").read_text("utf-8"))
    before = json.loads((HERE / "crd_fields.json").read_text("utf-8"))
    paths = sorted(Path(folder).glob("*.yaml"))
    again = {p.stem.split(".")[0] for p in paths}
    found: Types = {t: f for t, f in before["types"].items() if t.partition(" ")[0] not in again}
    releases: dict[str, str] = before["releases"]
    for path in paths:
        kind, _, release = path.stem.split(".", 2)
        releases[kind] = f"{OPERATORS[kind]} {release}"
        for schema in _served(path):
            _read(kind, f"{kind}", schema, DEEP.get(kind, 3), found, known)
    _like_a_cluster(found)
    _like_each_other(found)
    found["DynamoGraphDeployment extraPodSpec"]["mainContainer"] = "Container"
    found["DynamoGraphDeployment services"]["frontendSidecar"] = "object"
    _of_kubernetes(found, known)
    found["JobSet replicatedJobs"]["template"] = "JobTemplateSpec"
    found["NIMService multiNode"] |= {"size": "int", "gpusPerPod": "int"}
    found["MPIJob spec"] |= {"cleanPodPolicy": "str", "mainContainer": "str"}
    table = {"releases": releases, "types": found}
    out = json.dumps(table, sort_keys=True, separators=(",", ":"))
    (HERE / "crd_fields.json").write_text(out + "\n", "utf-8")


def _served(path: Path) -> list[Schema]:
    """The schema that is stored, and before it those that KServe and Dynamo serve beside it."""
    held = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    every = sorted(held["spec"]["versions"], key=lambda v: bool(v["storage"]))
    kept = [v for v in every if v["storage"] or held["spec"]["group"] in _BESIDE]
    return [dict(v["schema"]["openAPIV3Schema"]) for v in kept]


def _read(kind: str, name: str, schema: Schema, deep: int, found: Types, known: Types) -> None:
    fields = found.setdefault(name, {})
    for field, held in schema["properties"].items():
        now = _type(kind, field, held, deep, found, known)
        changed = now in _PLAIN.values() and fields.get(field, now) != now
        fields[field] = "object" if changed else now


def _type(kind: str, field: str, held: Schema, deep: int, found: Types, known: Types) -> str:
    if field == "metadata" and "additionalProperties" not in held:
        return "ObjectMeta"
    if held.get("x-kubernetes-int-or-string"):
        return "quantity" if field.endswith(("sizeLimit", "SizeLimit")) else "object"
    if held.get("type") in _PLAIN:
        return _PLAIN[held["type"]]
    if held.get("type") == "array":
        return _inside("[", _type(kind, field, held["items"], deep, found, known))
    below = held.get("additionalProperties")
    if isinstance(below, dict):
        return _inside("{", _type(kind, field, below, deep, found, known))
    return _object(kind, field, held, deep, found, known)


def _inside(mark: str, type_: str) -> str:
    return "object" if type_ == "object" else mark + type_


def _object(kind: str, field: str, held: Schema, deep: int, found: Types, known: Types) -> str:
    own = set(held.get("properties", ()))
    alike = next((t for t in _KUBERNETES if own and _is(field, t) and own <= set(known[t])), None)
    if (kind, field) == ("DynamoGraphDeployment", "resources"):
        alike = None  # `gpu` and `custom` stand in it
    if alike or not own or field == "status" or deep == 0:
        return alike or "object"
    if held.get("x-kubernetes-preserve-unknown-fields"):
        return "object"
    name = f"{kind} {field}"
    _read(kind, name, held, deep - 1, found, known)
    return name


def _is(field: str, kind: str) -> bool:
    """Whether a field of that name is of that type of Kubernetes: its own name tells."""
    names = {"EnvVar": "env", "EnvFromSource": "envfrom", "ResourceRequirements": "resources"}
    stem = names.get(kind, kind.lower().removesuffix("spec").removeprefix("persistent"))
    if kind in ("Container", "PodSpec", "Volume"):
        own = {"PodSpec": ("template", "worker"), "Volume": ("volumes",)}
        return field in own.get(kind, ("containers", "initContainers"))
    others = {"podtemplate": "template", "labelselector": "selector"}
    stem = {**others, "volumeclaim": "volumeclaimtemplate"}.get(stem, stem)
    return field.lower() == stem or field.lower().endswith((stem, f"{stem}s"))


def _like_a_cluster(found: Types) -> None:
    """A RayService and a RayJob have the spec of a RayCluster in them."""
    found["RayService spec"]["rayClusterConfig"] = "RayCluster spec"
    found["RayJob spec"]["rayClusterSpec"] = "RayCluster spec"
    for name in [n for n in found if n.endswith((" rayClusterConfig", " rayClusterSpec"))]:
        del found[name]


def _like_each_other(found: Types) -> None:
    """KServe's kinds that differ in nothing but where they stand, and its frameworks."""
    for name, same in _ALIKE.items():
        found[name] = {**found[same]}
        for one in [n for n in found if n.startswith(f"{name} ")]:
            del found[one]
    predictor = found["InferenceService predictor"]
    predictor |= dict.fromkeys(_MODELS, "InferenceService model")
    found["InferenceService spec"] |= {"transformer": "object", "explainer": "object"}


def _of_kubernetes(found: Types, known: Types) -> None:
    """Fields of a pod's spec, or of a container, that stand among an operator's own."""
    for name, same in _INLINE.items():
        found[name] |= {f: t for f, t in known[same].items() if f in found[name]}
    while unused := [n for n in found if " " in n and n not in _used(found)]:
        for name in unused:
            del found[name]


def _used(found: Types) -> set[str]:
    return {t.lstrip("[{") for fields in found.values() for t in fields.values()}


if __name__ == "__main__":
    main(sys.argv[1])
