"""How much memory a container may use, and uses: its cgroup's word, version 1 or 2.

A tmpfs is charged to the cgroup of whoever touches a page first (kernel, cgroup-v2.rst,
"Memory Ownership"; cgroup-v1/memory.rst), so `/dev/shm` counts against this limit.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from distcheck.agent.probes.probe import ProbeError

_POD = re.compile(r"pod[0-9a-f]{8}[-_0-9a-f]{24,28}|pod[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,20}\Z")
_ABOVE = (
    "",
    "kubepods.slice",
    "kubepods.slice/kubepods-burstable.slice",
    "kubepods.slice/kubepods-besteffort.slice",
    "kubepods",
    "kubepods/burstable",
    "kubepods/besteffort",
)
"""Where the kubelet puts pods: a path that is told from another one's cgroup begins at `..`."""
_NO_LIMIT = 1 << 60
_MAX = 64 * 1024
_DEEPEST = 32


class CgroupMemory(Struct, frozen=True):
    """Bytes; `limit` None where neither the container nor its pod has one."""

    limit: int | None
    used: int | None


class _Names(Struct, frozen=True):
    limit: str
    used: str


_V2 = _Names("memory.max", "memory.current")
_V1 = _Names("memory.limit_in_bytes", "memory.usage_in_bytes")


def look(proc: str, sys: str, pid: int) -> CgroupMemory:
    """The memory limit and use of the container that process `pid` is in.

    Raises:
        ProbeError: its cgroup is nowhere to be seen.
        OSError: the process is gone.
    """
    text = (Path(proc) / str(pid) / "cgroup").read_bytes()[:_MAX].decode("utf-8", "replace")
    for folders, names in _places(text, Path(sys) / "fs" / "cgroup"):
        limits = [_read(f / names.limit) for f in folders]
        if limits and limits[-1] is not None:
            return CgroupMemory(_least(limits), _number(_read(folders[-1] / names.used)))
    return _own(Path(proc) / str(pid) / "root" / "sys" / "fs" / "cgroup")


def _own(root: Path) -> CgroupMemory:
    """As the container sees it: the root of what it sees is its own cgroup, or has no limit."""
    for folder, names in ((root, _V2), (root / "memory", _V1)):
        limit = _read(folder / names.limit)
        if limit is not None:
            return CgroupMemory(_least([limit]), _number(_read(folder / names.used)))
    raise ProbeError("the cgroup that limits its memory is not to be seen")


def _places(text: str, root: Path) -> Iterator[tuple[list[Path], _Names]]:
    """Folders from the pod's to the container's, wherever they may be."""
    for line in text.splitlines()[:64]:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        memory = "memory" in controllers.split(",")
        if controllers and not memory:
            continue
        for above in _ABOVE if "/.." in path else _ABOVE[:1]:
            folders = list(_from_pod(path, (root / "memory" if memory else root) / above))
            if folders:
                yield folders, _V1 if memory else _V2


def _from_pod(path: str, root: Path) -> Iterator[Path]:
    """The pod's cgroup and the one below it; what a container makes in its own is not the limit."""
    names = path.split("/")
    while names and names[0] in ("", ".."):
        names.pop(0)
    if "\0" in path:  # no file's name has one, and `open` refuses it
        return
    first = next((n for n, name in enumerate(names) if _POD.search(name)), None)
    if first is None or ".." in names or len(names) > _DEEPEST:
        return
    for end in (first + 1, first + 2):
        if end <= len(names):
            yield root.joinpath(*names[:end])


def _least(limits: list[str | None]) -> int | None:
    known = [n for n in map(_number, limits) if n is not None and n < _NO_LIMIT]
    return min(known, default=None)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and _NUMBER.match(text) else None


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return file.read(64).decode("ascii", "replace").strip()
    except OSError:
        return None
