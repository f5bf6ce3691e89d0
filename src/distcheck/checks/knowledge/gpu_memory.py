"""How much memory GPUs have, by what labels of nodes and instance types say; never too little."""

import re

from distcheck.pattern import pattern

GIB = 1 << 30
LARGEST = 288
"""GiB of the largest GPU there is (B300)."""
_PRODUCTS: tuple[tuple[str, int], ...] = (
    (r"B300", 288), (r"B200|GB200", 192), (r"GH200", 144), (r"H200", 141), (r"H20\b", 141),
    (r"H100-NVL|H100NVL", 94), (r"H100|H800", 80), (r"A100.*80GB|A800", 80),
    (r"A100.*40GB", 40), (r"A40\b|L40S?\b|RTX-6000-Ada|RTX-A6000", 48), (r"L20\b", 48),
    (r"A10G?\b|L4\b|A30\b|RTX-4090|RTX-3090|P40", 24), (r"T4\b|A16\b", 16), (r"V100.*32GB", 32),
    (r"V100", 32), (r"RTX-5090", 32),
)  # fmt: skip
_GKE: dict[str, int] = {
    "nvidia-l4": 24, "nvidia-tesla-t4": 16, "nvidia-tesla-a100": 40, "nvidia-a100-80gb": 80,
    "nvidia-h100-80gb": 80, "nvidia-h100-mega-80gb": 80, "nvidia-h200-141gb": 141,
    "nvidia-b200": 192, "nvidia-gb200": 192, "nvidia-tesla-v100": 16, "nvidia-tesla-p4": 8,
    "nvidia-tesla-p100": 16,
}  # fmt: skip
_INSTANCES: tuple[tuple[str, int], ...] = (
    (r"p4d\.", 40), (r"p4de\.", 80), (r"p5\.", 80), (r"p5en?\.", 141), (r"p6-b200\.", 192),
    (r"p3\.", 16), (r"p3dn\.", 32), (r"g4dn\.", 16), (r"g5\.", 24), (r"g6\.", 24), (r"g6e\.", 48),
    (r"a3-(?:high|mega|edge)gpu", 80), (r"a3-ultragpu", 141), (r"a2-highgpu", 40),
    (r"a2-ultragpu", 80), (r"g2-standard", 24), (r"a4-highgpu", 192),
    (r"Standard_ND\w+_H100_v5", 80), (r"Standard_NC\w+_H100_v5", 94),
    (r"Standard_ND\w+_H200_v5", 141), (r"Standard_N[CD]\w+_A100_v4", 80),
    (r"Standard_ND96asr_v4", 40), (r"Standard_NV\w+_A10_v5", 24), (r"Standard_NC\w+_T4_v3", 16),
    (r"BM\.GPU\.(?:H100|A100-v2)", 80), (r"BM\.GPU\.H200", 141), (r"BM\.GPU\.B200", 192),
    (r"BM\.GPU4\.", 40), (r"[BV]M\.GPU\.A10\.", 24), (r"BM\.GPU\.L40S", 48),
)  # fmt: skip
_DIGITS = 8
LABELS = {
    "nvidia.com/gpu.product": "product",
    "cloud.google.com/gke-accelerator": "gke",
    "node.kubernetes.io/instance-type": "instance",
    "beta.kubernetes.io/instance-type": "instance",
    "karpenter.k8s.aws/instance-gpu-name": "product",
    "eks.amazonaws.com/instance-gpu-name": "product",
    "gpu.nvidia.com/class": "product",
    "gpu.nvidia.com/model": "product",
    "nvidia.com/gpu.memory": "memory",
    "karpenter.k8s.aws/instance-gpu-memory": "memory",
    "eks.amazonaws.com/instance-gpu-memory": "memory",
    "karpenter.k8s.aws/instance-family": "family",
    "eks.amazonaws.com/instance-family": "family",
}
_MIG = pattern(r"nvidia\.com/mig-[\dcg.]+\.(\d+)gb")


def slice_memory(resource: str) -> int | None:
    """GiB of a MIG device, by its resource: `nvidia.com/mig-3g.40gb`."""
    found = _MIG.match(resource)
    return int(found[1]) if found else None


def gpu_memory(label: str, value: str) -> int | None:
    """GiB of one GPU of nodes that have this label, at most; None where that is not known."""
    way = LABELS.get(label)
    if way == "gke":
        return _GKE.get(value)
    if way == "memory":
        return -(-int(value) // 1024) if value.isdigit() and len(value) < _DIGITS else None
    if way == "family":
        way, value = "instance", f"{value}."
    table = _PRODUCTS if way == "product" else _INSTANCES if way == "instance" else ()
    for form, size in table:
        if re.search(form if way == "product" else rf"\A{form}", value, re.IGNORECASE):
            return size
    return None
