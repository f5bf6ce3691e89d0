"""`/dev/shm` of a pod's container: the mount, its files, and the limit that it counts against."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Missing, Seen

SegmentKind = Literal["nccl", "psm", "other"]


class ShmSegment(Struct, frozen=True, omit_defaults=True):
    """One file of `/dev/shm`; `bytes` are those it takes, not those it spans.

    `kind` is told by its name: `nccl-XXXXXX` is NCCL's, `psm_*` a Python SharedMemory's.
    `held` is whether a process that was seen maps it or has it open; None where not every
    process of the pod could be asked. `changed_at` is RFC 3339.
    """

    name: str
    bytes: int
    kind: SegmentKind = "other"
    held: bool | None = None
    changed_at: str | None = None


class ShmLevel(Struct, frozen=True):
    """How much was used at one time (RFC 3339); bytes."""

    at: str
    used_bytes: int


class ShmMount(Seen, frozen=True, tag="shm"):
    """`/dev/shm` as mounted in the container that runs the ranks; sizes in bytes.

    `source` is the mount's source: `shm` is the runtime's default, `tmpfs` a volume.
    `segments` are its files, the largest first; `segments_left` counts those beyond them.
    `unheld_files` and `unheld_bytes` are of all files of NCCL and of Python's SharedMemory that
    no process holds, those of `segments_left` too; None where `unasked` says which process
    could not be asked. `folders` counts folders in it, whose files are not listed.
    `memory_limit` is that of the container's cgroup, or its pod's where that is less, which this
    tmpfs counts against; None where neither has one. `earlier` are levels that the agent saw
    before, the oldest first. `of_node`: it is the node's own `/dev/shm`, which all its
    processes share; `mps`: the MPS daemon's, mounted over what the pod has. `of_volume`: no
    container runs, and it is the volume as the node has it mounted for the pod.
    """

    size_bytes: int
    source: str
    cited: str
    used_bytes: int | None = None
    seen_at: str | None = None
    segments: tuple[ShmSegment, ...] | Missing = Missing("the files in /dev/shm were not listed")
    segments_left: int = 0
    memory_limit: int | Missing | None = Missing("the container's memory limit was not read")
    memory_used: int | None = None
    earlier: tuple[ShmLevel, ...] = ()
    unheld_files: int | None = None
    unheld_bytes: int | None = None
    unasked: str = ""
    folders: int = 0
    of_node: bool = False
    mps: bool = False
    of_volume: bool = False
