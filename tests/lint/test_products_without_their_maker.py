"""Products as drivers call them: of old ones without NVIDIA before, of new ones never."""

import pytest
from tests.lint.judge import found

POD = """
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  nodeSelector: {nvidia.com/gpu.product: PRODUCT}
  containers:
  - {name: vllm, image: "vllm/vllm-openai:v0.11.0"}
"""


@pytest.mark.parametrize(
    ("product", "written"),
    [
        ("H100-SXM4-80GB", "it is written NVIDIA-H100-80GB-HBM3"),
        ("H100-80GB-HBM3", "it is written NVIDIA-H100-80GB-HBM3"),
        ("H100-PCIe", "it is written NVIDIA-H100-PCIe"),
        ("H200-NVL-SHARED", "it is written NVIDIA-H200-NVL"),
        ("GH200-480GB", "the label has the driver's full name"),
        ("H100-80GB-HBM3-MIG-1g.10gb", "the label has the driver's full name"),
    ],
)
def test_no_driver_calls_a_new_product_without_its_maker(product: str, written: str) -> None:
    (one,) = found(POD.replace("PRODUCT", product), "CONF092")
    assert one.says.endswith(written)


@pytest.mark.parametrize(
    "product",
    ["A100-SXM4-40GB", "A100-PCIE-40GB-MIG-1g.5gb", "Tesla-V100-SXM2-16GB", "Quadro-RTX-8000",
     "GRID-A100D-40C", "NVIDIA-H100-80GB-HBM3", "NVIDIA-GH200-480GB"],
)  # fmt: skip
def test_names_of_old_drivers_and_whole_names_are_right(product: str) -> None:
    assert not found(POD.replace("PRODUCT", product), "CONF092")


def test_a_product_that_is_not_known_is_left_alone() -> None:
    assert not found(POD.replace("PRODUCT", "R100-SXM-NEW"), "CONF092")
