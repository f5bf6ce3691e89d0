"""The kubelet's log folder: which pods the node has, and the log files of each."""

import gzip
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.regular import open_regular

_NUMBER = re.compile(r"([0-9]{1,9})\.log(\.[\w:-]{1,64}(\.gz)?)?\Z", re.ASCII)
_NAME = re.compile(r"[a-z0-9.-]{1,253}\Z")
_GZIP = b"\x1f\x8b"
_MAX_ENTRIES = 4096
_MAX_CONTAINERS = 64


class PodFolder(Struct, frozen=True):
    """A pod's folder below the kubelet's log folder: `<namespace>_<name>_<uid>`."""

    namespace: str
    name: str
    uid: str
    path: Path

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.namespace}/{self.name}"


def pod_folders(root: str) -> list[PodFolder]:
    """Every pod that has a log folder; one that came back under its name has several.

    Raises:
        OSError: the folder cannot be read.
    """
    found = []
    for entry in sorted(Path(root).iterdir()):
        namespace, _, rest = entry.name.partition("_")
        name, _, uid = rest.partition("_")
        if all(map(_NAME.match, (namespace, name, uid))):
            found.append(PodFolder(namespace, name, uid, entry))
    return found


def container_folders(pod: PodFolder) -> list[Path]:
    """The folder of each container of the pod, at most 64.

    Raises:
        OSError: the pod's folder cannot be read.
    """
    every, _ = _entries(pod.path)
    return [f for f in every if _NAME.match(f.name) and f.is_dir()][:_MAX_CONTAINERS]


def container_files(pod: PodFolder) -> list[Path]:
    """The log files of each container's latest start, oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    return [f for folder in container_folders(pod) for f in latest_files(folder)[0]]


def latest_files(folder: Path) -> tuple[list[Path], bool]:
    """The log files of a container's latest start, oldest first, and whether these are all.

    The kubelet names them `<restart>.log`, and rotated ones `<restart>.log.<time>[.gz]`
    (kubelet, container_log_manager.go); a `.tmp` is one that it is still writing. Earlier
    starts are left out: they tell of processes that are gone. At most 4,096 entries are seen.

    Raises:
        OSError: the folder cannot be read.
    """
    every, whole = _entries(folder)
    files = [f for f in every if _NUMBER.match(f.name) and f.suffix != ".tmp"]
    latest = max(map(restart_of, files), default=0)
    return sorted((f for f in files if restart_of(f) == latest), key=_age), whole


def _entries(folder: Path) -> tuple[list[Path], bool]:
    """What the folder holds, sorted by name, and whether that is all of it."""
    with os.scandir(folder) as entries:
        names = [e.name for e, _ in zip(entries, range(_MAX_ENTRIES + 1), strict=False)]
    return [folder / n for n in sorted(names[:_MAX_ENTRIES])], len(names) <= _MAX_ENTRIES


def restart_of(path: Path) -> int:
    """How often the container had restarted when this log began."""
    number = _NUMBER.match(path.name)
    return int(number[1]) if number else 0


def _age(path: Path) -> tuple[bool, str]:
    """The current file is the youngest; the names of rotated ones sort by time."""
    return path.name.endswith(".log"), path.name.removesuffix(".gz")


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A log file of the node, open for reading. The runtime may have made it a link.

    Raises:
        ProbeError: it is not a regular file.
        OSError: it cannot be opened.
    """
    handle = open_regular(str(path), follow=True)
    if handle is None:
        raise ProbeError(f"{path} is not a regular file")
    with os.fdopen(handle, "rb") as file:
        yield file


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """`file` from its start, without gzip where its first bytes say that it has it."""
    packed = file.read(2) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value] # reads alike
