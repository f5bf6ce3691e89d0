"""The kubelet's log folder: which pods the node has, and the log files of each."""

import gzip
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from distcheck.agent.probes.probe import ProbeError

_NUMBER = re.compile(r"(\d+)\.log(\.[^.]+(\.gz)?)?\Z")
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_GZIP = b"\x1f\x8b"


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
        if uid:
            found.append(PodFolder(namespace, name, uid, entry))
    return found


def container_files(pod: PodFolder) -> list[Path]:
    """The log files of each container's latest start, oldest first.

    The kubelet names them `<restart>.log`, and rotated ones `<restart>.log.<time>[.gz]`
    (kubelet, container_log_manager.go); a `.tmp` is one that it is still writing. Earlier
    starts are left out: they tell of processes that are gone.

    Raises:
        OSError: the folder cannot be read.
    """
    found: list[Path] = []
    for folder in sorted(f for f in pod.path.iterdir() if f.is_dir()):
        files = [f for f in folder.iterdir() if _NUMBER.match(f.name) and f.suffix != ".tmp"]
        latest = max(map(restart_of, files), default=0)
        found += sorted((f for f in files if restart_of(f) == latest), key=_age)
    return found


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
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ProbeError(f"{path} is not a regular file")
        yield file


def unpacked(file: IO[bytes]) -> IO[bytes]:
    """`file` from its start, without gzip where its first bytes say that it has it."""
    packed = file.read(2) == _GZIP
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if packed else file  # type: ignore[return-value] # reads alike
