"""Which GPUs are joined by NVLink on the board that they are sold on."""

import re

_BOARDS = re.compile(
    r"SXM|\b(?:H100 80GB HBM3|H800(?! PCIe)|H200(?! NVL)|H20|B[123]00|GB[23]00|GH200)\b"
)
"""Names that NVML gives to GPUs of HGX and DGX boards; cards for a PCIe slot say so, or are NVL."""


def expects_nvlink(name: str) -> bool:
    """Whether a GPU of this name always has NVLink to its fellows."""
    return _BOARDS.search(name) is not None
