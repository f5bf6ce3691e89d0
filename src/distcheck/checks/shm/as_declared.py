"""SHM003."""

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.facts.shm_declared import DeclaredShm, How, ShmAsDeclared
from distcheck.checks.knowledge.names import alike
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned

_CAUSES: dict[How, str] = {
    "mps": "shm_of_mps",
    "elsewhere": "shm_default",
    "default": "shm_default",
    "disk": "shm_on_disk",
    "cut": "shm_cut_by_limit",
    "smaller": "shm_smaller",
    "larger": "shm_not_sized",
}
"""In this order, the first that a pod has is the group's."""
_CUT = (
    "Raise the memory limits of the pod's containers, or lower the sizeLimit to what the ranks need"
    " (SHM001 says how much)."
)
_REMEDIES: dict[How, str] = {
    "elsewhere": "Mount the volume at /dev/shm in the container that runs the ranks.",
    "default": (
        "Delete the pod: it was made by an older spec, or its container does not mount the volume."
        " Look at `grep /dev/shm /proc/mounts` in the new one."
    ),
    "disk": "Write `medium: Memory` into the emptyDir, and count it in the memory limit.",
    "cut": _CUT,
}


@check(
    "SHM003",
    weight="supporting",
    remedies={_CAUSES[how]: _REMEDIES[how] for how in ("default", "elsewhere", "disk", "cut")},
)
def as_declared(shm: ShmAsDeclared) -> Verdict:
    """/dev/shm as mounted is what the spec declares.

    Proves:
        The tmpfs that the ranks have at /dev/shm is the volume of their pod's spec, as large as
        its sizeLimit. It does not prove that this is enough: SHM001 does.

    Causes:
        shm_cut_by_limit: the kubelet made it as small as the pod's memory limit, without a word
        shm_default: a volume is declared, but not mounted in the container that runs the ranks
        shm_of_mps: the GPU plugin mounted the MPS daemon's /dev/shm over the declared volume
        shm_on_disk: the emptyDir has no `medium: Memory`, so it is a folder on the node's disk
        shm_smaller: it is smaller than its sizeLimit, and no memory limit of the pod says why
        shm_not_sized: it is larger than its sizeLimit, as kubelets before 1.22 leave it

    Remedy:
        An emptyDir in memory is as large as the least of its sizeLimit, the memory that pods may
        have on the node, and the pod's memory limit, which holds where every container has one:
        raise that limit, or lower the sizeLimit to what the ranks need (SHM001). Mount the
        volume at /dev/shm in the container of the ranks itself, and look at a running pod with
        `grep /dev/shm /proc/mounts`. A changed template reaches a pod only when it is made anew.
    """
    told = [p for p in shm.pods if p.how == "same"]
    if all(p.how == "none" for p in shm.pods):
        return _none(shm)
    for how, cause in _CAUSES.items():
        found = [p for p in shm.pods if p.how == how]
        if found:
            verdict = failed if any(p.short for p in found) else warned
            pods, remedy = [p.pod for p in found], _REMEDIES.get(how)
            return verdict(_says(found), cause, _cites(found), pods, remedy)
    return passed(_says(told), _cites(shm.pods), [p.pod for p in told])


def _none(shm: ShmAsDeclared) -> Verdict:
    if shm.gaps:
        return unknown("; ".join(shm.gaps))
    return skipped("no spec of the group declares a volume at /dev/shm", _cites(shm.pods))


def _says(pods: list[DeclaredShm]) -> str:
    return "; ".join(alike(p.says for p in pods))


def _cites(pods: tuple[DeclaredShm, ...] | list[DeclaredShm]) -> list[Cite]:
    return [cite for p in pods for cite in p.cites]
