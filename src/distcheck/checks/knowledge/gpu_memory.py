"""How much memory GPUs have, by what labels of nodes and instance types say; never too little."""

import re

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
)  # fmt: skip
LABELS = {
    "nvidia.com/gpu.product": "product",
    "cloud.google.com/gke-accelerator": "gke",
    "node.kubernetes.io/instance-type": "instance",
}


def gpu_memory(label: str, value: str) -> int | None:
    """GiB of one GPU of nodes that have this label, at most; None where that is not known."""
    way = LABELS.get(label)
    if way == "gke":
        return _GKE.get(value)
    table = _PRODUCTS if way == "product" else _INSTANCES if way == "instance" else ()
    for pattern, size in table:
        if re.search(pattern if way == "product" else rf"\A{pattern}", value):
            return size
    return None
