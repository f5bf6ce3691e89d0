"""`/dev/shm` as every pod's spec declares it, beside what is mounted."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, ShmDeclared, ShmMount
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.shm import PodShm, ShmMounts
from distcheck.checks.facts.shm_words import is_default, size

How = Literal["same", "none", "default", "elsewhere", "mps", "disk", "cut", "smaller", "larger"]
_PAGE = 2 << 20
"""The kernel rounds a tmpfs up to pages, of 64 KiB or of 2 MiB at most (mm/shmem.c)."""


class DeclaredShm(Struct, frozen=True):
    """One pod's; `how` the mount differs from what is declared, `says` it in words.

    `short`: it is smaller than what the ranks need, and they are not up.
    """

    pod: str
    how: How
    says: str
    declared: Cite
    mounted: Cite | None = None
    short: bool = False

    @property
    def cites(self) -> tuple[Cite, ...]:
        """Both sides, or the spec alone."""
        return (self.declared,) if self.mounted is None else (self.declared, self.mounted)


class ShmAsDeclared(Fact, frozen=True, kw_only=True):
    """All pods with GPUs whose mount was seen; others are gaps."""

    pods: tuple[DeclaredShm, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> "ShmAsDeclared | Missing":
        """Missing where no mount was seen."""
        on_disk = tuple(d for p in evidence.pods if p.gpus and (d := _on_disk(evidence, p)))
        mounts = folded(ShmMounts, evidence)
        if isinstance(mounts, Missing):
            return cls(pods=on_disk) if on_disk else mounts
        specs = {p.name: p for p in evidence.pods}
        seen = tuple(_compared(specs[p.pod], p) for p in mounts.pods if not p.by_ray)
        unseen = (f"{p.pod}: the mount at /dev/shm was not seen" for p in mounts.pods if p.by_ray)
        gaps = (*mounts.gaps, *unseen)
        every = (*on_disk, *seen)
        return cls(pods=every, gaps=gaps) if every else Missing("; ".join(gaps))


def _on_disk(evidence: Evidence, pod: Pod) -> DeclaredShm | None:
    """A volume that is no tmpfs is no mount for `ShmMounts`; its spec says what it is."""
    mount, declared = evidence.look(pod).shm, pod.shm
    if not isinstance(mount, Missing) or declared is None or declared.medium != "disk":
        return None
    if declared.elsewhere is not None:
        return None
    says = f"{pod.name} has an emptyDir on the node's disk at /dev/shm: its medium is not Memory"
    return DeclaredShm(pod.name, "disk", says, Cite(_in_words(declared), declared.source))


def _compared(pod: Pod, seen: PodShm) -> DeclaredShm:
    how, says = _how(pod, seen)
    source = pod.shm.source if pod.shm else f"the spec of {pod.name}"
    spec = Cite(_in_words(pod.shm), source)
    short = not seen.up and seen.mount.size_bytes < seen.need.least
    return DeclaredShm(pod.name, how, f"{pod.name}: {says}", spec, seen.cite, short)


def _how(pod: Pod, seen: PodShm) -> tuple[How, str]:
    """In order: what covers the volume, then what keeps it from the ranks, then its size."""
    declared, mount = pod.shm, seen.mount
    has = f"{size(mount.size_bytes)} mounted"
    if declared is None:
        own = "the node's own /dev/shm" if mount.of_node else f"{has}, nothing declared"
        return "none", own
    asked = _asked(declared)
    if mount.mps:
        return "mps", f"the MPS daemon's /dev/shm covers the {asked} that is declared"
    if declared.elsewhere is not None:
        how: How = "elsewhere" if is_default(seen) else "none"
        return how, _not_mounted(declared, pod.container)
    if is_default(seen) and declared.size_bytes != mount.size_bytes:
        return "default", f"the spec declares {asked}, the runtime's own 64 MiB is mounted"
    return _by_size(declared, mount)


def _by_size(declared: ShmDeclared, mount: ShmMount) -> tuple[How, str]:
    wanted, got = declared.size_bytes, mount.size_bytes
    if declared.medium != "memory" or wanted is None:
        return "same", f"{_asked(declared)} declared, {size(got)} mounted"
    if abs(got - wanted) < _PAGE:
        return "same", f"{size(wanted)} declared and mounted"
    if got > wanted:
        return "larger", (
            f"{size(wanted)} declared, {size(got)} mounted: this kubelet does not size it, and"
            " evicts the pod where more than the limit is used"
        )
    limit = declared.memory_limit
    if limit is not None and abs(got - limit) < _PAGE:
        return "cut", f"a sizeLimit of {size(wanted)} is cut to the pod's memory limit, {size(got)}"
    if _has_limit(mount, got):
        return "cut", f"a sizeLimit of {size(wanted)} is cut to the memory limit, {size(got)}"
    return "smaller", (
        f"a sizeLimit of {size(wanted)} gave {size(got)}: the memory that pods may have on that"
        " node is less, or the volume was made by another spec"
    )


def _has_limit(mount: ShmMount, got: int) -> bool:
    return isinstance(mount.memory_limit, int) and abs(got - mount.memory_limit) < _PAGE


def _not_mounted(declared: ShmDeclared, container: str) -> str:
    where = ", ".join(declared.elsewhere or ()) or "no container"
    return f"{where} mounts the declared {_asked(declared)} at /dev/shm, {container} does not"


def _asked(declared: ShmDeclared) -> str:
    if declared.medium is None:
        return "volume"
    return "emptyDir" if declared.size_bytes is None else f"{size(declared.size_bytes)}"


def _in_words(declared: ShmDeclared | None) -> str:
    if declared is None:
        return "no volume is declared at /dev/shm"
    limit = (
        "no sizeLimit" if declared.size_bytes is None else f"sizeLimit {size(declared.size_bytes)}"
    )
    pods = (
        ""
        if declared.memory_limit is None
        else f", pod's memory limit {size(declared.memory_limit)}"
    )
    return f"declared: {limit}{pods}"
