"""Which files of a `/dev/shm` some process holds.

A process holds a file that it maps (`/proc/PID/maps`) or has open (`/proc/PID/fd`); both name
it by device and inode, which a name cannot fake (proc_pid_maps(5), proc_pid_fd(5)). NCCL keeps
its segments mapped and not open, Python's SharedMemory both.
"""

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from distcheck.agent.patient import Patient

_MOST_PROCESSES = 2_048
_MOST_HANDLES = 16_384
_MOST_MAPS = 64 << 20
_PATIENCE, _ALL = 0.5, 2.0
"""Seconds for what one process tells, and after which no other one is asked."""
_MAP = re.compile(rb"\S{3,40} \S{4} [0-9a-f]{1,16} ([0-9a-f]{1,4}):([0-9a-f]{1,5}) ([0-9]{1,20})\b")
_DEAD = ("Z", "X", "x")
Inode = tuple[int, int]
Known = dict[Inode, int]
"""Which process was seen to hold a file."""


def holders(
    proc: str, names: dict[Inode, str], pids: Callable[[], Sequence[int]], known: Known
) -> tuple[set[Inode], str]:
    """Files of `names` that some process holds, and who could not be asked, in words.

    `known` is what was seen before: a holder that still runs is not asked again.
    """
    running = pids() if names else []
    there = set(running)
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
