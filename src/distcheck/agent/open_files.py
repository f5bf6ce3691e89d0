"""Which sockets and which devices of a fabric processes hold open, by `/proc/PID/fd`."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from msgspec import Struct, field

from distcheck.agent.rights import why_refused
from distcheck.checks.evidence.open_devices import OpenDevice

_SOCKET = re.compile(r"socket:\[([0-9]{1,12})\]\Z")
_DEVICE = re.compile(
    r"/dev/(?:infiniband/(uverbs[0-9]{1,5})|((?:cxi|hfi1_)[0-9]{1,5})"
    r"|nvidia-caps-(imex)-channels/channel[0-9]{1,5})\Z"
)
_MOST_PROCESSES, _MOST_FILES = 64, 16_384
_SECONDS = 2.0


class OpenFiles(Struct, frozen=True):
    """Sockets by inode with the first process that holds each, and devices by process.

    `read` are the processes whose files were read to their end, `refused` why one was not.
    """

    sockets: dict[int, int] = field(default_factory=dict)
    devices: tuple[OpenDevice, ...] = ()
    read: tuple[int, ...] = ()
    refused: str | None = None


def open_files(proc: str, pids: Iterable[int]) -> OpenFiles:
    """Of the first 64 of `pids`, for two seconds at most; only names are read."""
    end = time.monotonic() + _SECONDS
    sockets: dict[int, int] = {}
    devices, read, refused = list[OpenDevice](), list[int](), None
    for pid in islice(pids, _MOST_PROCESSES):
        try:
            links = list(_links(Path(proc) / str(pid) / "fd", end))
        except OSError as error:
            refused = refused or why_refused(error, "open files of processes") or str(error)
            continue
        found = sorted(set(filter(None, map(_device, links))))
        if found:
            devices.append(OpenDevice(pid, tuple(found)))
        for inode in filter(None, map(_inode, links)):
            sockets.setdefault(inode, pid)
        if len(links) < _MOST_FILES and time.monotonic() < end:
            read.append(pid)
    return OpenFiles(sockets, tuple(devices), tuple(read), refused)


def _links(folder: Path, end: float) -> Iterator[str]:
    """What the numbers in `folder` point to; a file that was closed meanwhile is left out.

    Raises:
        OSError: the folder may not be read, or no link in it, or the process is gone.
    """
    last: OSError | None = None
    told = False
    with os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_FILES):
            if time.monotonic() > end:
                return
            try:
                link = os.readlink(entry.path)  # noqa: PTH115 - one object less a file
            except OSError as error:
                last = error
                continue
            told = True
            yield link
    if last is not None and not told:
        raise last


def _inode(link: str) -> int | None:
    found = _SOCKET.match(link)
    return int(found[1]) if found else None


def _device(link: str) -> str | None:
    """`uverbs0`, `cxi0`, `hfi1_0`, or `imex` for a channel of multi-node NVLink."""
    found = _DEVICE.match(link)
    return next(filter(None, found.groups())) if found else None
