"""CONF096: GPU labels with values that the discovery never writes."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NUMBERS = frozenset(
    f"nvidia.com/gpu.{n}" for n in ("count", "memory", "replicas", "compute.major", "compute.minor")
)
_ALMOST = {
    "nvidia.com/gpu.products": "nvidia.com/gpu.product",
    "nvidia.com/gpu-product": "nvidia.com/gpu.product",
    "nvidia.com/gpu_product": "nvidia.com/gpu.product",
    "nvidia.com/gpu.name": "nvidia.com/gpu.product",
    "nvidia.com/gpu-count": "nvidia.com/gpu.count",
    "nvidia.com/gpu-memory": "nvidia.com/gpu.memory",
}
_MISSPELT = ("nvidia.com/gpu.products", "nvidia.com/gpu_product")
"""Names that nobody is known to put on nodes himself."""


@rule("CONF096", level="warning", others=("error",))
def gpu_labels_have_values(template: Template) -> Iterator[Finding]:
    """GPU labels are named, and have values, as the discovery writes them.

    What:
        A required node label is almost one of GPU Feature Discovery (`nvidia.com/gpu.products`),
        or a number label has a value with a unit (`nvidia.com/gpu.memory: 80GB`).

    Why:
        The discovery labels no node so: the pod stays Pending.

    Fix:
        `nvidia.com/gpu.memory` is in MiB without a unit (81559), `gpu.count` a number.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {nvidia.com/gpu.memory: 80GB}
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {nvidia.com/gpu.memory: "81559"}
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {our.example/gpu-memory: 80GB}
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]

    Source:
        k8s-device-plugin docs/gpu-feature-discovery/README.md.
    """
    for label, value in _required(template):
        if label in _ALMOST:
            says = f"no node has the label {label}: it is {_ALMOST[label]}"
            unseen = "" if label in _MISSPELT else "labels that somebody else puts on the nodes"
            yield Finding(value.spot, says, f"Write {_ALMOST[label]}.", unseen=unseen)
        if label in _NUMBERS and not re.fullmatch(r"\d+", str(value.value).strip()):
            says = f"{label} is a number without a unit, not {value.value}"
            memory = label.endswith("memory")
            fix = "Write the MiB as a number: 81559 of an H100." if memory else "Write a number."
            yield Finding(value.spot, says, fix)
    yield from _too_few(template)


def _required(template: Template) -> Iterator[tuple[str, Place]]:
    yield from template.spec.fields("nodeSelector")
    for term in template.node_terms:
        for one in term.each("matchExpressions"):
            for value in one.each("values"):
                yield one.text("key"), value


def _too_few(template: Template) -> Iterator[Finding]:
    """Nodes of fewer GPUs than one pod asks for."""
    count = template.spec.at("nodeSelector", "nvidia.com/gpu.count")
    text = str(count.value)
    if text.isdigit() and len(text) < len("100000") and int(text) < template.gpus:
        says = f"nodes of {text} GPUs, and a pod asks for {template.gpus}"
        fix = f"Ask for {text} GPUs, or choose nodes of {template.gpus}."
        yield Finding(count.spot, says, fix, level="error")
