"""`/dev/shm` of a container, from what the collector brought: its mount, its use, its files."""

import msgspec

from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy
from distcheck.agent.probes import shm
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.shm_segments import kind_of, plain
from distcheck.checks.evidence import Missing, ShmMount
from distcheck.checks.evidence.shm import ShmSegment

_MOST, _LARGEST = 256, 1 << 60
_UNASKED = "without an agent no process is asked what it holds"
_FILES = msgspec.json.Decoder(list[tuple[int, str]])


def mount_of(copy: ContainerCopy, mountinfo: str, now: str) -> ShmMount:
    """The mount; its files are named, and held by nobody knows whom.

    Raises:
        ProbeError: no tmpfs is mounted there, or its size is not to be seen.
    """
    device, source, size = shm.parse(mountinfo)
    told = copy.told.get("/dev/shm", b"").decode("ascii", "replace").split()
    counted = len(told) == 3 and all(n.isdecimal() and len(n) < 19 for n in told[1:])
    same = counted and told[0] in (device, "-")
    if size is None and not same:
        raise ProbeError("the mount at /dev/shm does not say its size, and was not measured")
    total = size if size is not None else int(told[1])
    return ShmMount(
        size_bytes=total,
        source=source,
        cited=f"/dev/shm: tmpfs {source} size={total >> 10}k (mountinfo)",
        used_bytes=int(told[1]) - int(told[2]) if same else None,
        seen_at=now,
        segments=_segments(copy) if same else Missing("the files in /dev/shm were not listed"),
        unasked=_UNASKED,
        mps=shm.is_of_mps(mountinfo),
    )


def _segments(copy: ContainerCopy) -> tuple[ShmSegment, ...] | Missing:
    """What a container says of its files: names are cleaned, and numbers have bounds."""
    try:
        files = _FILES.decode(copy.told.get("/dev/shm/files", b""))[-_MOST:]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Missing("the files in /dev/shm were not listed")
    known = (ShmSegment(plain(n), b, kind_of(n)) for b, n in files if 0 <= b < _LARGEST)
    return tuple(sorted(known, key=lambda s: (-s.bytes, s.name)))
