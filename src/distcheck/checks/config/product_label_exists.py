"""CONF092: a GPU product as GPU Feature Discovery never writes it."""

import re
from collections.abc import Iterator

from distcheck.checks.config.affinity_can_match import spelt
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

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
_FORMS = (
    (pattern(r"NVIDIA-H200-(?:SXM\d?-?)?(?:141GB.*)?"), "NVIDIA-H200"),
    (
        pattern(r"NVIDIA-H100-(?:SXM\d?(?:-80GB.*)?|HBM3(?:-80GB)?|80G|80GB-SXM\d?)"),
        "NVIDIA-H100-80GB-HBM3",
    ),
    (pattern(r"NVIDIA-B200-(?:SXM.*|1[89]\dGB.*)"), "NVIDIA-B200"),
    (pattern(r"NVIDIA-A100-SXM4?-80G|NVIDIA-A100-80GB?-SXM4?"), "NVIDIA-A100-SXM4-80GB"),
    (pattern(r"NVIDIA-A100-SXM4?-40G|NVIDIA-A100-40GB?(?:-SXM4?)?"), "NVIDIA-A100-SXM4-40GB"),
    (pattern(r"(?:NVIDIA-)?L40S-\d\dGB"), "NVIDIA-L40S"),
    (pattern(r"(?:NVIDIA-)?L4-24GB"), "NVIDIA-L4"),
    (pattern(r"(?:NVIDIA-)?A10G-24GB"), "NVIDIA-A10G"),
    (pattern(r"(?:NVIDIA-)?(?:Tesla-)?T4-1[56]GB|NVIDIA-T4"), "Tesla-T4"),
)
_WRITTEN = {
    name.lower(): name
    for name in [
        "NVIDIA-H100-80GB-HBM3",
        "NVIDIA-H100-PCIe",
        "NVIDIA-H100-NVL",
        "NVIDIA-H200",
        "NVIDIA-H200-NVL",
        "NVIDIA-B200",
        "NVIDIA-GB200",
        "NVIDIA-A100-SXM4-80GB",
        "NVIDIA-A100-SXM4-40GB",
        "NVIDIA-A100-80GB-PCIe",
        "NVIDIA-A100-PCIE-40GB",
        "NVIDIA-L40S",
        "NVIDIA-L40",
        "NVIDIA-L4",
        "NVIDIA-A10",
        "NVIDIA-A10G",
        "Tesla-T4",
    ]
}
_BARE = pattern(r"(?i)(?:H100|H200|H20|H800|GH200|G?B[23]00|L4|L40S?)-.+")
"""Made after drivers began to put their maker's name before a product's (A100-SXM4-40GB once)."""
_SHORT = pattern(r"(?:Tesla-?)?(?:[ABHL]\d{1,3}S?|GB?200)\Z", re.IGNORECASE)


@rule("CONF092", level="warning")
def product_label_exists(template: Template) -> Iterator[Finding]:
    """GPU products are written as GPU Feature Discovery writes them.

    What:
        A node selector or node affinity asks for a value of `nvidia.com/gpu.product` that the
        discovery does not write, such as `NVIDIA-H100-SXM5-80GB`, or `H100-80GB-HBM3` without its
        maker, as no driver for an H100 calls it.
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
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {nvidia.com/gpu.product: NVIDIA-R100-NEW}
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
    Source:
        k8s-device-plugin docs/gpu-feature-discovery, internal/lm/resource.go (getProductName,
        sanitise); product names as NVML gives them. Labels that people set by hand are not in
        the manifest.
    """
    for place in _values(template):
        value = str(place.value).removesuffix("-SHARED")
        near = _near(value)
        if near and near != value:
            says = f"no node is labelled {_LABEL}={value}: it is written {near}"
            yield Finding(place.spot, says)
        elif not near and (_SHORT.match(value) or _BARE.fullmatch(value)):
            says = f"no node is labelled {_LABEL}={value}: the label has the driver's full name"
            yield Finding(place.spot, says)


def _near(value: str) -> str:
    """The product that is meant, also without its maker's name where no driver leaves it out."""
    named = f"NVIDIA-{value}" if _BARE.fullmatch(value) else value
    return _SURE.get(value) or _form(value) or _SURE.get(named) or _form(named)


def _form(value: str) -> str:
    """The product that is meant: another form of its name, another case, or with blanks."""
    written = _WRITTEN.get(value.lower().replace(" ", "-"), "")
    return written or next((name for form, name in _FORMS if form.fullmatch(value)), "")


def _values(template: Template) -> Iterator[Place]:
    """The products that nodes must have."""
    selector = template.spec.at("nodeSelector", _LABEL)
    if selector:
        yield selector
    for term in template.node_terms:
        for one in term.each("matchExpressions"):
            if one.text("key") == _LABEL and spelt(one.text("operator")) == "In":
                yield from one.each("values")
