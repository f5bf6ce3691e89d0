"""The files in a container's `/dev/shm`, and which of them a process of the pod still holds.

A process holds a file that it maps (`/proc/PID/maps`) or has open (`/proc/PID/fd`); both name
it by device and inode, which a name cannot fake (proc_pid_maps(5), proc_pid_fd(5)). NCCL keeps
its segments mapped and not open, Python's SharedMemory both.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, structs

from distcheck.agent.patient import Patient
from distcheck.checks.evidence.shm import SegmentKind, ShmSegment

MOST = 256
_MOST_FILES = 65_536
_MOST_PROCESSES = 2_048
_MOST_HANDLES = 16_384
_MOST_MAPS = 64 << 20
_LONGEST = 64
_PATIENCE, _ALL = 0.5, 2.0
"""Seconds for what one process tells, and after which no other one is asked."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC
_MAP = re.compile(rb"\S{3,40} \S{4} [0-9a-f]{1,16} ([0-9a-f]{1,4}):([0-9a-f]{1,5}) ([0-9]{1,20})\b")
_DEAD = ("Z", "X", "x")
Inode = tuple[int, int]


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


Known = dict[Inode, int]
"""Which process was seen to hold a file."""


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
        held, unasked = _held(proc, files, pids, {} if known is None else known)
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
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
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


def _held(
    proc: str, files: Sequence[_File], pids: Callable[[], Sequence[int]], known: Known
) -> tuple[set[Inode], str]:
    """Files of `files` that some process holds, and who could not be asked, in words."""
    running = pids() if files else []
    there, names = set(running), {f.inode: f.name for f in files}
    kept = {i: pid for i, pid in known.items() if i in names and pid in there}
    known.clear()
    known.update(kept)
    wanted = {i: name for i, name in names.items() if i not in known}
    silent: list[str] = []
    if wanted:
        silent = _asked(proc, running, wanted, known)
    return set(known), "" if known.keys() >= names.keys() or not silent else _said(silent)


def _asked(proc: str, running: Sequence[int], wanted: dict[Inode, str], known: Known) -> list[str]:
    """Ask each process; what it holds is added to `known`, who does not answer is returned."""
    patient = Patient[tuple[set[Inode], str]](_PATIENCE)
    asked = dict.fromkeys(running[:_MOST_PROCESSES], 0)
    silent = ["there are more processes than are asked"] * (len(running) > len(asked))
    end = time.monotonic() + _ALL

    def ask(pid: int) -> tuple[set[Inode], str]:
        late = time.monotonic() > end
        return (set(), "no time") if late else _of_process(Path(proc) / str(pid), wanted)

    for pid, told in patient.read(asked, ask):
        found, why = told if told is not None else (set[Inode](), "hangs")
        known.update(dict.fromkeys(found, pid))
        if why:
            silent.append(f"pid {pid}: {why}")
    return silent


def _said(silent: Sequence[str]) -> str:
    more = f", and {len(silent) - 1} more" if len(silent) > 1 else ""
    return f"{silent[0]}{more}"


def _of_process(folder: Path, wanted: dict[Inode, str]) -> tuple[set[Inode], str]:
    """What one process holds of `wanted`; why it could not be asked, empty where it could."""
    try:
        if (folder / "stat").read_bytes()[:4096].rpartition(b") ")[2][:1].decode() in _DEAD:
            return set(), ""
        held = _mapped(folder / "maps", wanted)
        return held if held >= wanted.keys() else held | _open(folder / "fd", wanted), ""
    except (FileNotFoundError, ProcessLookupError):
        return set(), ""
    except (OSError, ValueError) as error:
        return set(), getattr(error, "strerror", None) or type(error).__name__


def _mapped(path: Path, wanted: dict[Inode, str]) -> set[Inode]:
    held: set[Inode] = set()
    numbers = {str(inode).encode() for _, inode in wanted}
    read = 0
    with path.open("rb") as file:
        for line in file:
            read += len(line)
            if read > _MOST_MAPS:
                raise ValueError("maps")
            found = _MAP.match(line)
            if found is not None and found[3] in numbers:
                device = os.makedev(int(found[1], 16), int(found[2], 16))
                held.add((device, int(found[3])))
    return held & wanted.keys()


def _open(path: Path, wanted: dict[Inode, str]) -> set[Inode]:
    """Only a handle of such a name is asked which file it is: another's file system may hang."""
    held: set[Inode] = set()
    names = set(wanted.values())
    with os.scandir(path) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_HANDLES:
                raise ValueError("fd")
            with suppress(OSError):
                if Path(entry.path).readlink().name in names:
                    seen = Path(entry.path).stat()
                    held.add((seen.st_dev, seen.st_ino))
    return held & wanted.keys()
