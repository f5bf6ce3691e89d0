"""The files in a container's `/dev/shm`, and which of them a process of the pod still holds."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct, structs

from distcheck.agent import clock
from distcheck.agent.shm_holders import Inode, Known, holders
from distcheck.checks.evidence.shm import SegmentKind, ShmSegment

MOST = 256
_MOST_FILES = 65_536
_LONGEST = 64
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC


class Mounted(Struct, frozen=True):
    """What process `pid` of `proc` has at `point`, if that is on `device` (`0:302`)."""

    proc: str
    pid: int
    device: str
    point: str = "/dev/shm"


class Segments(Struct, frozen=True):
    """What `look` saw; the fields of a `ShmMount` of the same names."""

    segments: tuple[ShmSegment, ...]
    segments_left: int = 0
    folders: int = 0
    unheld_files: int | None = None
    unheld_bytes: int | None = None
    unasked: str = ""


class _File(Struct, frozen=True):
    name: str
    shown: ShmSegment
    inode: Inode


def look(
    mount: Mounted, pids: Callable[[], Sequence[int]], known: Known | None = None
) -> Segments | None:
    """The files in a `/dev/shm`.

    `pids` gives the processes of the pod, in all of its containers; it is asked after the
    files are listed, as whoever made a file was there by then. None where the folder is not
    that mount. `known` is what an earlier look saw, and takes what this one does: a holder
    that still runs is not asked again, as reading its map makes its page faults wait.

    Raises:
        OSError: the folder may not be read, or the process is gone.
    """
    proc, device = mount.proc, mount.device
    path = Path(proc) / str(mount.pid) / "root" / mount.point.lstrip("/")
    handle = os.open(path, _FOLDER)
    try:
        made = os.fstat(handle).st_dev
        if f"{os.major(made)}:{os.minor(made)}" != device:
            return None
        files, folders, more = _listed(handle)
        held, unasked = holders(
            proc, {f.inode: f.name for f in files}, pids, {} if known is None else known
        )
        return _told(_still_there(handle, files, held), held, folders, unasked, more)
    finally:
        os.close(handle)


def _listed(handle: int) -> tuple[list[_File], int, bool]:
    """Plain files; the number of folders; whether there are more than can be listed."""
    files: list[_File] = []
    folders = 0
    with os.scandir(handle) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_FILES:
                return files, folders, True
            try:
                seen = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            folders += stat.S_ISDIR(seen.st_mode)
            if stat.S_ISREG(seen.st_mode):
                inode = seen.st_dev, seen.st_ino
                files.append(_File(entry.name, _shown(entry.name, seen), inode))
    return files, folders, False


def _shown(name: str, seen: os.stat_result) -> ShmSegment:
    return ShmSegment(plain(name), seen.st_blocks * 512, kind_of(name), None, _time(seen.st_mtime))


def kind_of(name: str) -> SegmentKind:
    """Whose file it is.

    NCCL's are `nccl-XXXXXX` and `nccl-shm-...` (src/os/linux.cc, src/transport/shm.cc), `psm_`
    is the prefix of Python's multiprocessing.shared_memory.
    """
    return "nccl" if name.startswith("nccl-") else "psm" if name.startswith("psm_") else "other"


def plain(name: str) -> str:
    """`name` as it may be shown: printable, and cut."""
    shown = "".join(c if c.isascii() and c.isprintable() else "?" for c in name[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 2] + ".."


def _time(seconds: float) -> str | None:
    try:
        return clock.at(seconds)
    except (OverflowError, ValueError, OSError):
        return None


def _still_there(handle: int, files: Sequence[_File], held: set[Inode]) -> Iterator[_File]:
    """Without files that nobody holds and that were removed meanwhile."""
    there: set[Inode] | None = None
    for one in files:
        if one.inode not in held and there is None:
            there = {f.inode for f in _listed(handle)[0]}
        if one.inode in held or (there is not None and one.inode in there):
            yield one


def _told(
    files: Iterable[_File], held: set[Inode], folders: int, unasked: str, more: bool
) -> Segments:
    known = [_with_holder(f, held, unasked) for f in files]
    known.sort(key=lambda s: (-s.bytes, s.name))
    loose = [s for s in known if s.kind != "other" and s.held is False]
    asked = not unasked and not more
    return Segments(
        segments=tuple(known[:MOST]),
        segments_left=max(0, len(known) - MOST),
        folders=folders,
        unheld_files=len(loose) if asked else None,
        unheld_bytes=sum(s.bytes for s in loose) if asked else None,
        unasked=unasked or f"more than {_MOST_FILES} files are in it" * more,
    )


def _with_holder(one: _File, held: set[Inode], unasked: str) -> ShmSegment:
    known = True if one.inode in held else None if unasked else False
    return structs.replace(one.shown, held=known)
