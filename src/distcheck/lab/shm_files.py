"""What is in the `/dev/shm` of a pod: segments that dead ranks left, and what living ones hold.

The files are real; how full the file system is, which a folder cannot tell, is in a file that
stands in for the kernel's answer.
"""

import json
import os
from pathlib import Path

from distcheck.lab.layout import Layout, Member
from distcheck.lab.nccl_text import POOL, room_for
from distcheck.lab.scenario import MIB

_TOLD = "shm.json"
_PAGE = 4096


def write_shm(layout: Layout, member: Member) -> None:
    """The folder with leaked segments, and how large it all is."""
    folder = shm_folder(member)
    folder.mkdir(parents=True)
    shm = layout.world.shm
    if member.node == shm.leaked_on:
        for number in range(shm.leaked):
            with (folder / f"nccl-{'zyxwvu'[number % 6]}{number:05d}").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, POOL)
    told = {"size": shm.mib * MIB, "held": _held(layout, member) * POOL}
    (member.folder / _TOLD).write_text(json.dumps(told))


def shm_folder(member: Member) -> Path:
    """Where the container's `/dev/shm` is."""
    return member.container_root / "dev" / "shm"


def device_of(member: Member) -> str:
    """The device of that folder, as mountinfo writes it."""
    made = shm_folder(member).stat().st_dev
    return f"{os.major(made)}:{os.minor(made)}"


def _held(layout: Layout, member: Member) -> int:
    """Pools of living ranks: of those that came so far as to ask for one, as many as fit."""
    far = ("init", "serving")
    ranks = [r for r in layout.ranks_on(member) if layout.engine(r).progress in far]
    return min(len(ranks), room_for(layout.world, member.node))


class LabSpace:
    """Stands in for statvfs: what the lab wrote, and the files that are there."""

    def __init__(self, root: Path) -> None:
        self._told = root / _TOLD

    def __call__(self, path: Path) -> os.statvfs_result:
        """As the kernel answers for the tmpfs at `path`."""
        told = json.loads(self._told.read_text())
        files = sum(f.stat().st_blocks * 512 for f in path.iterdir() if f.is_file())
        blocks = told["size"] // _PAGE
        free = max(0, blocks - (told["held"] + files) // _PAGE)
        return os.statvfs_result((_PAGE, _PAGE, blocks, free, free, 0, 0, 0, 0, 255))
