"""SHM001."""

from distcheck.checks.check import check
from distcheck.checks.facts.shm import PodShm, ShmMounts
from distcheck.checks.knowledge.shm import MIB
from distcheck.checks.verdict import Verdict, failed, passed, warned

_DEFAULT_BYTES = 64 * MIB


@check("SHM001")
def large_enough(mounts: ShmMounts) -> Verdict:
    """/dev/shm as mounted is large enough for these ranks.

    Proves:
        The tmpfs at /dev/shm in the container of every pod's ranks is larger than what NCCL
        allocates there up front for the local ranks and their communicators, and vLLM's ring.
        It does not prove that it stays so: segments of dead ranks may fill it.

    Causes:
        shm_default: nothing is mounted there, so it has the container runtime's 64 MiB
        shm_too_small: a volume is mounted, but it is smaller than the ranks need

    Remedy:
        Mount an emptyDir with `medium: Memory` at /dev/shm in the container of the ranks, with
        a sizeLimit above the need shown, and count it in the container's memory limit: a tmpfs
        is charged to it. A sizeLimit above the pod's memory limit is cut silently.
    """
    small = [p for p in mounts.pods if p.mount.size_bytes < p.need.least]
    if small:
        need = small[0].need
        says = f"{_sizes(small)}; the ranks need {need.least_says} at least"
        says += f"; with all they may use: {need.enough / MIB:.0f} MiB"
        return failed(says, _cause(small), [p.cite for p in small], [p.pod for p in small])
    tight = [p for p in mounts.pods if p.mount.size_bytes < p.need.enough]
    if tight:
        says = f"{_sizes(tight)}; the ranks may need {tight[0].need.enough_says}"
        return warned(says, _cause(tight), [p.cite for p in tight], [p.pod for p in tight])
    least = min(mounts.pods, key=lambda p: p.mount.size_bytes - p.need.enough)
    says = f"{_sizes([least])}; enough for {least.need.enough_says}"
    return passed(says, [p.cite for p in mounts.pods], [p.pod for p in mounts.pods])


def _is_default(pod: PodShm) -> bool:
    """The runtime's own mount is named `shm` (containerd, sandbox_run_linux.go)."""
    return pod.mount.source == "shm" and pod.mount.size_bytes == _DEFAULT_BYTES


def _cause(pods: list[PodShm]) -> str:
    return "shm_default" if all(map(_is_default, pods)) else "shm_too_small"


def _sizes(pods: list[PodShm]) -> str:
    size = min(p.mount.size_bytes for p in pods) / MIB
    default = ", the container runtime's default" if all(map(_is_default, pods)) else ""
    return f"/dev/shm of {' and '.join(p.pod for p in pods)} is {size:.0f} MiB{default}"
