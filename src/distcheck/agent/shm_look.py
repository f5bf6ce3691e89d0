"""All that is seen of one pod's `/dev/shm`: the mount, its files, its limit, its level before."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from msgspec import Struct, structs

from distcheck.agent.probes import cgroup_memory, shm, shm_segments
from distcheck.agent.probes.cgroup_memory import CgroupMemory
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.shm import Space
from distcheck.agent.probes.shm_segments import Mounted, Segments
from distcheck.agent.rights import why_refused
from distcheck.agent.shm_holders import Known
from distcheck.agent.shm_levels import ShmLevels
from distcheck.checks.evidence import Missing, ShmMount
from distcheck.checks.evidence.shm import ShmLevel

T = TypeVar("T")
_POINT = "/dev/shm"
_INIT = 1


class ShmLook(Struct, frozen=True):
    """Where to look: folders for `/proc` and `/sys`, and levels that were seen before.

    `space` asks a file system for its use.
    """

    proc: str
    sys: str
    levels: ShmLevels
    space: Space = shm.statvfs

    def look(
        self,
        pid: int,
        pids: Callable[[], Sequence[int]],
        seen_at: str,
        known: Known | None = None,
        point: str = _POINT,
    ) -> ShmMount:
        """That of the container of `pid`; `pids` gives all processes of its pod.

        `known` are holders of files that an earlier look saw, and is brought up to date.

        What is unseen beside the mount is Missing, or None, and spoils nothing else.

        Raises:
            ProbeError: no tmpfs is mounted there, or its size is not to be seen.
            OSError: the process is gone.
        """
        seen = shm.look(self.proc, pid, seen_at, self.space, point)
        device = shm.device(self.proc, pid, point)
        memory = _told(lambda: cgroup_memory.look(self.proc, self.sys, pid), "memory limits")
        mount = structs.replace(
            seen,
            of_node=_is_nodes(self.proc, device),
            earlier=self.levels.of(device),
            **_of_memory(memory),
        )
        place = Mounted(self.proc, pid, device, point)
        files = _told(lambda: shm_segments.look(place, pids, known), "files in /dev/shm")
        return _with_files(mount, files)

    def volume(self, uid: str, pids: Callable[[], Sequence[int]], seen_at: str) -> ShmMount:
        """That of a pod of which no container runs, from the node's own mounts.

        Raises:
            ProbeError: the node has no volume that is surely it.
            OSError: the node's own mounts cannot be read.
        """
        point = shm.volume_of(self.proc, uid)
        seen = self.look(_INIT, pids, seen_at, point=point)
        gone = Missing("no container runs, whose limit it would be")
        return structs.replace(seen, memory_limit=gone, memory_used=None, of_volume=True)

    def watch(
        self, pid: int, pids: Callable[[], Sequence[int]], now: str, known: Known
    ) -> ShmMount:
        """`look`, whose level is remembered for those to come."""
        seen = self.look(pid, pids, now, known)
        if seen.used_bytes is not None:
            self.levels.add(shm.device(self.proc, pid), ShmLevel(now, seen.used_bytes))
        return seen


def _of_memory(seen: CgroupMemory | Missing) -> dict[str, object]:
    if isinstance(seen, Missing):
        return {"memory_limit": seen}
    return {"memory_limit": seen.limit, "memory_used": seen.used}


def _with_files(mount: ShmMount, seen: Segments | Missing | None) -> ShmMount:
    if seen is None:
        return structs.replace(
            mount, segments=Missing("/dev/shm of the container cannot be reached to list its files")
        )
    if isinstance(seen, Missing):
        return structs.replace(mount, segments=seen)
    if mount.of_node:
        seen = _of_many(seen)
    return structs.replace(mount, **structs.asdict(seen))


def _of_many(seen: Segments) -> Segments:
    """Of the node's own `/dev/shm`: processes of other pods, which were not asked, may hold it."""
    unsure = (structs.replace(s, held=True if s.held else None) for s in seen.segments)
    why = "it is the node's own, and processes of other pods were not asked"
    return structs.replace(
        seen, segments=tuple(unsure), unheld_files=None, unheld_bytes=None, unasked=why
    )


def _is_nodes(proc: str, device: str) -> bool:
    """Whether process 1 has it too: of the node, as seen from its own `/proc`."""
    try:
        return shm.device(proc, _INIT) == device
    except (ProbeError, OSError):
        return False


def _told(look: Callable[[], T], unseen: str) -> T | Missing:
    try:
        return look()
    except ProbeError as error:
        return Missing(str(error))
    except OSError as error:
        why = error.strerror or type(error).__name__
        return Missing(why_refused(error, unseen) or f"{unseen} cannot be seen: {why}")
