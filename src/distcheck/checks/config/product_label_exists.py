"""CONF092: a GPU product as GPU Feature Discovery never writes it."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_LABEL = "nvidia.com/gpu.product"
_SURE = {
    "NVIDIA-H100-SXM5-80GB": "NVIDIA-H100-80GB-HBM3",
    "NVIDIA-H100-SXM-80GB": "NVIDIA-H100-80GB-HBM3",
    "NVIDIA-H100-80GB": "NVIDIA-H100-80GB-HBM3",
    "NVIDIA-H100-80GB-SXM5": "NVIDIA-H100-80GB-HBM3",
    "NVIDIA-H100": "NVIDIA-H100-80GB-HBM3",
    "NVIDIA-A100-80GB": "NVIDIA-A100-SXM4-80GB",
    "NVIDIA-A100": "NVIDIA-A100-SXM4-80GB",
    "NVIDIA-H200-SXM5-141GB": "NVIDIA-H200",
    "NVIDIA-H200-141GB-HBM3e": "NVIDIA-H200",
}
_SHORT = re.compile(r"(?:Tesla-?)?(?:[ABHL]\d{1,3}S?|GB?200)\Z", re.IGNORECASE)


@rule("CONF092", level="warning")
def product_label_exists(template: Template) -> Iterator[Finding]:
    """GPU products are written as GPU Feature Discovery writes them.

    What:
        A node selector or node affinity asks for a value of `nvidia.com/gpu.product` that the
        discovery does not write, such as `NVIDIA-H100-SXM5-80GB`.
    Why:
        The label is the product name of the driver with dashes for blanks: no node has another,
        and the pod stays Pending.
    Fix:
        Take the value from a node: `kubectl get nodes -L nvidia.com/gpu.product`. H100 SXM is
        `NVIDIA-H100-80GB-HBM3`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-SXM5-80GB}
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0"}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {nvidia.com/gpu.product: NVIDIA-H100-80GB-HBM3}
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0"}
    Source:
        k8s-device-plugin docs/gpu-feature-discovery; product names as NVML gives them. Labels
        that people set by hand are not in the manifest.
    """
    for place in _values(template):
        value = str(place.value).removesuffix("-SHARED")
        near = _SURE.get(value) or ("the driver's full name" if _SHORT.match(value) else "")
        if near:
            says = f"no node is labelled {_LABEL}={value}: the discovery writes {near}"
            yield Finding(place.spot, says)


def _values(template: Template) -> Iterator[Place]:
    """The products that nodes must have."""
    selector = template.spec.at("nodeSelector", _LABEL)
    if selector:
        yield selector
    required = template.spec.at(
        "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    for term in required.each("nodeSelectorTerms"):
        for one in term.each("matchExpressions"):
            if one.text("key") == _LABEL and one.text("operator") == "In":
                yield from one.each("values")
