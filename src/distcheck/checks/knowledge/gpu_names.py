"""Names of GPU resources that were meant, by those that are written."""

from distcheck.checks.knowledge.spelling import letters_apart

_VENDORS = ("nvidia", "amd")
_FEW = 2
_SHORT = 4
_REAL = frozenset({"pgpu", "vgpu", "cgpu", "qgpu", "xgpu"})
"""Of KubeVirt, Kata and shared devices (`nvidia.com/pgpu`): one letter away, and not misspelt."""


def gpu_that_was_meant(resource: str) -> str:
    """`nvidia.com/gpu` for `nvida.com/gpu`, `nvidia.com/gpus`, `nvidia/gpu`, `nvidia.com/GPU`.

    Empty for a right name, and for one that is another device's.
    """
    prefix, slash, name = resource.partition("/")
    vendor = next((v for v in _VENDORS if _is_near(prefix.lower(), v)), "")
    meant = f"{vendor}.com/gpu"
    if not slash or not vendor or resource == meant:
        return ""
    return meant if _is_gpu(name.lower()) else ""


def _is_near(prefix: str, vendor: str) -> bool:
    whole = f"{vendor}.com"
    few = _FEW if len(vendor) > _SHORT else 0
    return prefix in (vendor, whole) or letters_apart(prefix, whole, few) <= few


def _is_gpu(name: str) -> bool:
    if name in _REAL:
        return False
    return letters_apart(name, "gpu", 1) <= 1 or sorted(name) == sorted("gpu")
