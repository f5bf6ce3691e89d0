"""Sizes of `/dev/shm` in words."""

from collections.abc import Iterable, Sequence
from itertools import chain

from distcheck.checks.facts.shm import PodShm
from distcheck.checks.knowledge.names import names
from distcheck.checks.knowledge.shm import MIB

DEFAULT_BYTES = 64 * MIB
_GIB = 1024 * MIB
_LARGE = 10 * _GIB


def size(number: float) -> str:
    """`64 MiB`, `1984 MiB`, `32 GiB`, `31.5 GiB`."""
    if number < _LARGE:
        return f"{number / MIB:.0f} MiB"
    return f"{number / _GIB:.1f}".removesuffix(".0") + " GiB"


def is_default(pod: PodShm) -> bool:
    """The runtime's own mount is named `shm` (containerd, sandbox_run_linux.go)."""
    return pod.mount.source == "shm" and pod.mount.size_bytes == DEFAULT_BYTES


def sizes(pods: Sequence[PodShm]) -> str:
    """`/dev/shm of vllm-0 and vllm-1 is 64 MiB`, of several the least."""
    least = min(p.mount.size_bytes for p in pods)
    default = ", the container runtime's default" if all(map(is_default, pods)) else ""
    default += ", as Ray found it at its start" if all(p.by_ray for p in pods) else ""
    return f"/dev/shm of {names(p.pod for p in pods)} is {size(least)}{default}"


def over_limit(pods: Iterable[PodShm]) -> str:
    """A clause where the tmpfs may take more than the container may have; else empty."""
    known = ((p, p.mount.memory_limit) for p in pods)
    over = [(p, n) for p, n in known if isinstance(n, int) and n < p.mount.size_bytes]
    if not over:
        return ""
    pod, limit = over[0]
    return (
        f"; it counts against the memory limit of {pod.pod}, {size(limit)}, which is less than"
        " its size: filling it would end the container"
    )


def other_than_ray(pods: Iterable[PodShm]) -> str:
    """A clause where Ray found more free than there is: it is another mount that was seen."""
    for pod in pods:
        if pod.ray is not None and pod.ray.free > pod.mount.size_bytes:
            seen = f"Ray of {pod.pod} found {size(pod.ray.free)} free at its start"
            return f"; {seen}, more than is mounted now"
    return ""


def few_names(found: Iterable[Iterable[str]], most: int = 3) -> str:
    """`nccl-a, nccl-b, ...`, each once."""
    every = list(dict.fromkeys(chain.from_iterable(found)))
    return ", ".join(every[:most]) + ", ..." * (len(every) > most)
