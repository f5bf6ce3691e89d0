"""SHM001."""

from collections.abc import Iterable

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.facts.shm import PodShm, ShmMounts
from distcheck.checks.facts.shm_words import is_default, other_than_ray, over_limit, size, sizes
from distcheck.checks.verdict import Verdict, failed, passed, warned

_MOUNT = (
    "Mount the volume that the spec declares at /dev/shm in the container that runs the ranks"
    " (SHM003 says who mounts it now), with a sizeLimit above the need shown."
)


@check("SHM001")
def large_enough(mounts: ShmMounts) -> Verdict:
    """/dev/shm as mounted is large enough for these ranks.

    Proves:
        The tmpfs at /dev/shm in the container of every pod's ranks is larger than what NCCL
        allocates there up front for the local ranks and their communicators, and vLLM's ring;
        or the ranks have all of it already, and there is room left. It does not prove that it
        stays so: SHM002 says whether segments of dead ranks fill it.

    Causes:
        shm_default: nothing is mounted there, so it has the container runtime's 64 MiB
        shm_too_small: a volume is mounted, but it is smaller than the ranks need
        shm_over_limit: the memory limit that it counts against is smaller than the ranks need

    Remedy:
        Mount an emptyDir with `medium: Memory` at /dev/shm in the container of the ranks, with
        a sizeLimit above the need shown, and count it in the container's memory limit: a tmpfs
        is charged to it. A sizeLimit above the pod's memory limit is cut silently.
    """
    small = [p for p in mounts.pods if p.mount.size_bytes < p.need.least and not p.up]
    if small:
        need = small[0].need
        says = f"{sizes(small)}; needed is at least {need.least_says}"
        says += f", and with all that the ranks may use {size(need.enough)}"
        remedy = _MOUNT if all(p.elsewhere and is_default(p) for p in small) else None
        return failed(says, _cause(small), _cites(small), [p.pod for p in small], remedy)
    capped = [p for p in mounts.pods if _limit(p) < p.need.least and not p.up]
    if capped:
        return _capped(capped)
    tight = [p for p in mounts.pods if _is_tight(p)]
    if tight:
        says = f"{sizes(tight)}; the ranks may need {tight[0].need.enough_says}"
        return warned(says, _cause(tight), _cites(tight), [p.pod for p in tight])
    return passed(_enough(mounts.pods), _cites(mounts.pods), [p.pod for p in mounts.pods])


def _cites(pods: Iterable[PodShm]) -> list[Cite]:
    return [cite for p in pods for cite in p.cites]


def _capped(pods: list[PodShm]) -> Verdict:
    one = min(pods, key=_limit)
    says = f"the memory limit of {one.pod} is {size(_limit(one))}, which /dev/shm counts against"
    says += f"; needed there is at least {one.need.least_says}"
    return failed(says, "shm_over_limit", _cites(pods), [p.pod for p in pods])


def _limit(pod: PodShm) -> float:
    limit = pod.mount.memory_limit
    return limit if isinstance(limit, int) else float("inf")


def _is_tight(pod: PodShm) -> bool:
    """Less than all that may be written, unless the ranks have theirs and the ring has room."""
    has_room = pod.up and pod.free is not None and pod.free >= pod.need.ring
    return pod.mount.size_bytes < pod.need.enough and not has_room


def _cause(pods: list[PodShm]) -> str:
    return "shm_default" if all(map(is_default, pods)) else "shm_too_small"


def _enough(pods: tuple[PodShm, ...]) -> str:
    least = min(pods, key=lambda p: p.mount.size_bytes - p.need.enough)
    if least.mount.size_bytes >= least.need.enough:
        says = f"{sizes([least])}; enough for {least.need.enough_says}"
    else:
        says = f"{sizes([least])}; the ranks are up, and {size(least.free or 0)} are free"
    return says + over_limit(pods) + other_than_ray(pods)
