"""CONF096: GPU labels with values that the discovery never writes."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_LABELS = frozenset(
    f"nvidia.com/{n}"
    for n in (
        "gpu", "gpu.present", "gpu.product", "gpu.count", "gpu.memory", "gpu.family",
        "gpu.compute.major", "gpu.compute.minor", "gpu.replicas", "gpu.machine", "gpu.mode",
        "gpu.clique", "gpu.sharing-strategy", "gpu.deploy.driver", "mig.capable", "mig.strategy",
    )
)  # fmt: skip
_NUMBERS = frozenset({"gpu.count", "gpu.memory", "gpu.replicas", "gpu.compute.major"})
_ALMOST = {
    "nvidia.com/gpu.products": "nvidia.com/gpu.product",
    "nvidia.com/gpu-product": "nvidia.com/gpu.product",
    "nvidia.com/gpu_product": "nvidia.com/gpu.product",
    "nvidia.com/gpu.name": "nvidia.com/gpu.product",
    "nvidia.com/gpu-count": "nvidia.com/gpu.count",
    "nvidia.com/gpu-memory": "nvidia.com/gpu.memory",
}


@rule("CONF096", level="warning")
def gpu_labels_have_values(template: Template) -> Iterator[Finding]:
    """GPU labels are named, and have values, as the discovery writes them.

    What:
        A required node label is almost one of GPU Feature Discovery (`nvidia.com/gpu.products`),
        or a number label has a value with a unit (`nvidia.com/gpu.memory: 80GB`).

    Why:
        No node has it: the pod stays Pending.

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

    Source:
        k8s-device-plugin docs/gpu-feature-discovery/README.md.
    """
    for label, value in _required(template):
        if label in _ALMOST:
            says = f"no node has a label {label}: the discovery writes {_ALMOST[label]}"
            yield Finding(value.spot, says)
        short = label.removeprefix("nvidia.com/")
        number = short in _NUMBERS and label in _LABELS
        if number and not re.fullmatch(r"\d+", str(value.value).strip()):
            yield Finding(value.spot, f"{label} is a number without a unit, not {value.value}")


def _required(template: Template) -> Iterator[tuple[str, Place]]:
    yield from template.spec.fields("nodeSelector")
    affinity = template.spec.at("affinity", "nodeAffinity")
    terms = affinity.at("requiredDuringSchedulingIgnoredDuringExecution")
    for term in terms.each("nodeSelectorTerms"):
        for one in term.each("matchExpressions"):
            for value in one.each("values"):
                yield one.text("key"), value
