"""What a container has to use RDMA with: device files, locked memory, interfaces."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rdma import NetInterface, RdmaAccess

_FOLDER = "/dev/infiniband"
_FILE = re.compile(r"(?:uverbs|umad|issm)[0-9]{1,5}\Z|rdma_cm\Z")
_LIMIT = re.compile(r"^Max locked memory\s{1,40}(unlimited|[0-9]{1,20})\s", re.MULTILINE)
_EFFECTIVE = re.compile(r"^CapEff:\s{1,8}([0-9a-fA-F]{1,16})$", re.MULTILINE)
_IPC_LOCK = 14
"""Bit of CAP_IPC_LOCK (linux/capability.h). With it the kernel counts no pinned page against the
limit (drivers/infiniband/core/umem.c)."""
_LINE = re.compile(r"\s{0,16}([^\s:/]{1,15}):\s{0,32}([0-9]{1,20})((?:\s{1,32}[0-9]{1,20}){15})")
_MOST_FILES, _MOST_INTERFACES, _MAX_FILE = 256, 32, 64 * 1024
T = TypeVar("T")
DeviceOf = Callable[[str], str]


def look(proc: str, pid: int, device_of: DeviceOf, seen_at: str) -> RdmaAccess:
    """What process `pid` and its container have; `device_of` names the HCA of `uverbs0`.

    What needs a right that the agent lacks is Missing, and the rest is seen.
    """
    container, folder = Container(proc, pid), Path(proc) / str(pid)
    verbs = _files(container)
    names = () if isinstance(verbs, Missing) else verbs
    devices = (device_of(name) for name in names if name.startswith("uverbs"))
    memlock, ipc_lock = of_limits(folder)
    return RdmaAccess(
        verbs=verbs,
        source=f"{_FOLDER} and limits of pid {pid}",
        seen_at=seen_at,
        devices=tuple(dict.fromkeys(d for d in devices if d)),
        memlock_bytes=memlock,
        interfaces=_or_missing(lambda: tuple(_interfaces(folder, container)), "net/dev"),
        ipc_lock=ipc_lock,
        pid=pid,
    )


def device_files(found: Iterable[str]) -> tuple[str, ...]:
    """Those of `found` that are RDMA's, in the order of their numbers."""
    named = sorted(filter(_FILE.match, found), key=lambda name: (len(name), name))
    return tuple(named[:_MOST_FILES])


def of_limits(folder: Path) -> tuple[int | Missing | None, bool | Missing]:
    """Locked memory of the process `folder` is of, in bytes, None without limit; and IPC_LOCK."""
    limit = _or_missing(lambda: _memlock(_read(folder / "limits")), "limits")
    return limit, _or_missing(lambda: _ipc_lock(_read(folder / "status")), "status")


def _files(container: Container) -> tuple[str, ...] | Missing:
    """None where the folder is not there."""
    try:
        found, _ = container.named(_FOLDER, _FILE.match)
    except (FileNotFoundError, NotADirectoryError) as error:
        return _none_or_gone(container, error)
    except (OSError, ProbeError) as error:
        return Missing(f"/dev/infiniband of the container: {error}")
    return device_files(found)


def _none_or_gone(container: Container, error: OSError) -> tuple[str, ...] | Missing:
    try:
        container.names("/")
    except OSError:
        return Missing(f"the container's files are gone: {error.strerror}")
    return ()


def _memlock(limits: str) -> int | Missing | None:
    found = _LIMIT.search(limits)
    if found is None:
        return Missing("its limits do not name locked memory")
    return None if found[1] == "unlimited" else int(found[1])


def _ipc_lock(status: str) -> bool | Missing:
    found = _EFFECTIVE.search(status)
    if found is None:
        return Missing("its status does not name its capabilities")
    return bool(int(found[1], 16) >> _IPC_LOCK & 1)


def _interfaces(folder: Path, container: Container) -> Iterator[NetInterface]:
    """From the table of the network namespace; the rest as the container's /sys has it."""
    lines = _read(folder / "net" / "dev").splitlines()
    found = [m for m in map(_LINE.match, lines) if m is not None]
    for one in found[:_MOST_INTERFACES]:
        read = partial(_of_interface, container, one[1])
        yield NetInterface(
            name=one[1],
            mtu=_number(read("mtu")),
            state=read("operstate"),
            speed_mbps=_number(read("speed")),
            received_bytes=int(one[2]),
            sent_bytes=int(one[3].split()[7]),
        )


def _of_interface(container: Container, name: str, what: str) -> str:
    """A file of the interface; empty where there is none, as of a speed where the link is down."""
    try:
        text = container.read(f"/sys/class/net/{name}/{what}", 8192)
    except (OSError, ProbeError):
        return ""
    said = text[:64].decode("ascii", "replace").strip()
    return said if said.isprintable() else ""


def _number(text: str) -> int | None:
    """A speed of -1 says that the interface has none."""
    return int(text) if text.isdecimal() and 0 < len(text) < 10 else None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_FILE).decode("ascii", "replace")


def _or_missing(read: Callable[[], T], what: str) -> T | Missing:
    try:
        return read()
    except OSError as error:
        return Missing(f"{what} of the process: {error.strerror or error}")
