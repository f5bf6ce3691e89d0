"""What Ray said of `/dev/shm` when it started: a second witness, which needs no look inside."""

import re

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, ShmMount
from distcheck.checks.knowledge.shm import MIB

_ONLY = re.compile(r"/dev/shm has only ([0-9]{1,18}) bytes available")
_EXCEEDS = re.compile(r"exceeds /dev/shm size \(([0-9]{1,9}(?:\.[0-9]{1,18})?) GB\)")
_GB = 1_000_000_000
_DEFAULT = 64 * MIB


class RayShm(Struct, frozen=True):
    """How much Ray found free there: it says so where that is too little for its object store.

    (python/ray/_private/services.py, determine_plasma_store_config)
    """

    free: int
    cite: Cite

    @property
    def mount(self) -> ShmMount:
        """The mount as far as Ray tells: it has that size, or more."""
        source = "shm" if self.free == _DEFAULT else ""
        return ShmMount(self.free, source, self.cite.source, seen_at=self.cite.seen_at)


def ray_shm(evidence: Evidence, pod: Pod) -> RayShm | None:
    """From the pod's own log; None where Ray says nothing of it."""
    log = evidence.look(pod).ray_log
    if isinstance(log, Missing):
        return None
    said = log.last("object_store_on_disk", "object_store_too_large")
    free = None if said is None else free_in(said.says)
    if said is None or free is None:
        return None
    what = f"Ray of {pod.name} found {free / MIB:.0f} MiB free in /dev/shm when it started"
    return RayShm(free, Cite(what, said.source, said.seen_at))


def free_in(text: str) -> int | None:
    """The bytes that Ray's line names; None where it names none."""
    if found := _ONLY.search(text):
        return int(found[1])
    found = _EXCEEDS.search(text)
    return None if found is None else round(float(found[1]) * _GB)
