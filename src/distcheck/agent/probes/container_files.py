"""Files of a container, read through `/proc/PID/root` without being led out of it.

A container is not trusted: its links may point anywhere, its files may be devices, pipes or
endless. Each component is opened on its own without following links; links are resolved
here, inside the container's root, and only regular files are read. Nothing is held open:
a descriptor would keep the container's volumes from being unmounted.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.regular import open_regular
from distcheck.agent.rights import why_refused

_MAX_LINKS = 16
_MAX_ENTRIES = 4096
_MAX_SCANNED = 65_536
_MAX_SECONDS = 0.5
_MAX_PATH = 4096
"""PATH_MAX (linux/limits.h): the kernel takes no longer one."""
_MAX_DEPTH = 256
_KERNELS = ("proc", "sys", "dev")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Container:
    """The file system of the container that process `pid` runs in."""

    def __init__(self, proc: str, pid: int) -> None:
        self._root = Path(proc) / str(pid) / "root"

    def read(self, path: str, limit: int) -> bytes:
        """The regular file at `path`, at most `limit` bytes.

        Raises:
            ProbeError: it is no regular file, larger than `limit`, or its links go in circles.
            OSError: it is not there or may not be read.
        """
        with self.opened(path) as handle:
            if os.fstat(handle).st_size > limit:
                raise ProbeError(f"{path} is larger than {limit} bytes")
            with os.fdopen(os.dup(handle), "rb") as file:
                return file.read(limit) or b""

    def names(self, path: str) -> list[str]:
        """The names in the folder at `path`, sorted, at most 4,096 of them."""
        with self._folder(path) as handle, os.scandir(handle) as entries:
            found = [e.name for _, e in zip(range(_MAX_ENTRIES), entries, strict=False)]
        return sorted(found)

    def named(self, path: str, wanted: Callable[[str], object]) -> tuple[list[str], bool]:
        """Names in the folder at `path` that are `wanted`, sorted, and whether that is all.

        At most 65,536 entries are looked at, for half a second, and 4,096 are kept.
        """
        found: list[str] = []
        end = time.monotonic() + _MAX_SECONDS
        with self._folder(path) as handle, os.scandir(handle) as entries:
            for count, entry in enumerate(entries):
                late = count % 256 == 255 and time.monotonic() > end
                if late or count >= _MAX_SCANNED or len(found) >= _MAX_ENTRIES:
                    return sorted(found), False
                if wanted(entry.name):
                    found.append(entry.name)
        return sorted(found), True

    def stats(self, path: str, names: Sequence[str]) -> dict[str, os.stat_result]:
        """What the folder at `path` says of each name in it; those that are not there are left out.

        Links are followed inside the container.
        """
        found = {}
        with self._folder(path) as handle:
            for name in names:
                try:
                    seen = os.lstat(name, dir_fd=handle)
                    if stat.S_ISLNK(seen.st_mode):
                        seen = self._stat(f"{path}/{name}")
                except (OSError, ProbeError):
                    continue
                found[name] = seen
        return found

    def _stat(self, path: str) -> os.stat_result:
        folder, _, name = self._resolved(path).rpartition("/")
        with self._folder(folder) as parent:
            return os.lstat(name, dir_fd=parent)

    @contextmanager
    def opened_log(self, path: str) -> Iterator[int]:
        """As `opened`, but no file of the kernel's: to read one may do something.

        Raises:
            ProbeError: the path leads below /proc, /sys or /dev, or to no regular file.
            OSError: it is not there or may not be read.
        """
        top, _, rest = self._resolved(path).partition("/")
        if top in _KERNELS and not (top == "dev" and rest.startswith("shm/")):
            raise ProbeError(f"{path} leads into /{top}, where no log is")
        with self.opened(path) as handle:
            yield handle

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor of the regular file at `path`, open for reading.

        Raises:
            ProbeError: what is there is a device, a pipe, a socket or a folder.
            OSError: it is not there or may not be read.
        """
        folder, _, name = self._resolved(path).rpartition("/")
        with self._folder(folder) as parent:
            handle = open_regular(name or ".", parent)
        if handle is None:
            raise ProbeError(f"{path} is not a regular file")
        try:
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """A descriptor of a folder, opened component by component, no link followed."""
        handle = self._top()
        try:
            for name in _parts(self._resolved(path)):
                below = os.open(name, _DIRECTORY, dir_fd=handle)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    def _top(self) -> int:
        try:
            return os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            said = why_refused(error, "files of containers")
            if said is None:
                raise
            raise ProbeError(said) from error

    def _resolved(self, path: str) -> str:
        """`path` with its links resolved inside the root; `..` never leaves it."""
        if "\0" in path:
            raise ProbeError("a path cannot hold a NUL")
        if len(path) > _MAX_PATH or path.count("/") > _MAX_DEPTH:
            raise ProbeError(f"a path of {len(path)} characters is too long or too deep to follow")
        done: list[str] = []
        todo = _parts(path)[::-1]
        links = 0
        while todo:
            name = todo.pop()
            if name == "..":
                done = done[:-1]
                continue
            target = self._link("/".join((*done, name)))
            if target is None:
                done.append(name)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise ProbeError(f"{path} has too many links")
            if target.count("/") + len(todo) > _MAX_DEPTH:
                raise ProbeError(f"a link of {path} leads too deep to follow")
            done = [] if target.startswith("/") else done
            todo += _parts(target)[::-1]
        return "/".join(done)

    def _link(self, path: str) -> str | None:
        """Where the link at `path` points; None where there is no link.

        A swap between this look and the open gains nothing: the open follows no link.
        """
        try:
            return str((self._root / path).readlink())
        except OSError:
            return None


def _parts(path: str) -> list[str]:
    return [p for p in path.split("/") if p not in ("", ".")]
