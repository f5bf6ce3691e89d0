"""A folder of this machine for what a container says that it holds.

Nothing is made or opened by a whole path: each component is opened on its own, and none may be
a link, so that no name leads out of the folder.
"""

import atexit
import fcntl
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_MEMORY = Path("/dev/shm")
_MAX_ENTRIES = 32_768
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NAME = re.compile(r"distcheck-([1-9][0-9]{0,9})-\w{1,64}\Z", re.ASCII)


class CopyFolder:
    """Files, folders and links below `root`; paths are sequences of plain names.

    Every method raises OSError where a component is a link or no folder, and where there
    would be more than 32,768 entries.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._entries = 0

    def write(self, parts: Sequence[str], data: bytes, *, more: bool = False) -> None:
        """Make the file, or write it anew; `more` adds to its end."""
        with self._parent(parts, make=True) as parent:
            try:
                how = os.O_APPEND if more else os.O_TRUNC
                handle = os.open(parts[-1], _WRITE | how, dir_fd=parent)
            except FileNotFoundError:
                self._count()
                handle = os.open(parts[-1], _WRITE | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)

    def make(self, parts: Sequence[str]) -> None:
        """Make the folder, and those above it."""
        with self._parent((*parts, ""), make=True):
            return

    def link(self, parts: Sequence[str], target: str) -> None:
        """Make a link, which no method of this class follows."""
        with self._parent(parts) as parent:
            self._count()
            os.symlink(target, parts[-1], dir_fd=parent)

    def stamp(self, parts: Sequence[str], seconds: int, size: int = 0) -> None:
        """Give a file its time, and a hole at its end where `size` is more than it has."""
        with self._parent(parts) as parent:
            handle = os.open(parts[-1], _WRITE, dir_fd=parent)
        try:
            if size > os.fstat(handle).st_size:
                os.truncate(handle, size)
            os.utime(handle, (seconds, seconds))
        finally:
            os.close(handle)

    @contextmanager
    def opened(self, parts: Sequence[str]) -> Iterator[int]:
        """A descriptor of the file, for reading."""
        with self._parent(parts) as parent:
            handle = os.open(parts[-1], _READ, dir_fd=parent)
        try:
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _parent(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of the folder that the last name is in."""
        handle = os.open(self.root, _FOLDER)
        try:
            for name in parts[:-1]:
                below = self._below(name, handle, make=make)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    def _below(self, name: str, handle: int, *, make: bool) -> int:
        try:
            return os.open(name, _FOLDER, dir_fd=handle)
        except FileNotFoundError:
            if not make:
                raise
            self._count()
            os.mkdir(name, 0o700, dir_fd=handle)
            return os.open(name, _FOLDER, dir_fd=handle)

    def _count(self) -> None:
        if self._entries >= _MAX_ENTRIES:
            raise OSError(0, "more files than can be kept")
        self._entries += 1


_LIVE: set[Path] = set()
_LOCK = threading.Lock()
_ENDING = threading.Event()


@contextmanager
def new_folder() -> Iterator[CopyFolder]:
    """An empty folder that only this user can read, gone at the end.

    It is in memory where the machine has such a place. Its lock is held until then: one that
    is not locked is of a process that was killed, and `sweep` removes it.

    Raises:
        OSError: the process is ending, or there is no place.
    """
    sweep()
    root = _made()
    held = os.open(root, _FOLDER)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield CopyFolder(root)
    finally:
        os.close(held)
        _remove(root)
        with _LOCK:
            _LIVE.discard(root)


def _made() -> Path:
    with _LOCK:
        if _ENDING.is_set():
            raise InterruptedError(0, "this process is ending")
        root = Path(tempfile.mkdtemp(prefix=f"distcheck-{os.getpid()}-", dir=_place()))
        _LIVE.add(root)
        return root


def _place() -> Path:
    return _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())


def end_all() -> None:
    """Remove every folder of this process, and make no more: it is ending."""
    _ENDING.set()
    with _LOCK:
        live = list(_LIVE)
    for root in live:
        _remove(root)


atexit.register(end_all)


def _remove(root: Path) -> None:
    """Remove the folder; a thread that still writes there makes it fail, so it is done again."""
    for _ in range(8):
        shutil.rmtree(root, ignore_errors=True)
        if not root.exists():
            return


def sweep() -> None:
    """Remove what a killed process of this user has left: its number is free, its lock too."""
    with suppress(OSError):
        for entry in os.scandir(_place()):
            named = _NAME.match(entry.name)
            if named is not None and not _runs(int(named[1])):
                _swept(Path(entry.path))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _swept(path: Path) -> None:
    """Another container that shares the place has other numbers: the lock tells."""
    with suppress(OSError):
        handle = os.open(path, _FOLDER)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle).st_uid == os.geteuid():
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(handle)
