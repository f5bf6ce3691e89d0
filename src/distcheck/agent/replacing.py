"""A file with new content: whole, or the old one stays."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def put(path: Path, data: bytes) -> None:
    """Beside the file first, then in its place, with mode, owner and attributes of the old one.

    A pipe or a device is written as it is. So is a file with several names, which all of them
    keep, and one in a folder that takes no other file; where that fails it gets its old content
    back. Raises OSError.
    """
    real = path if path.parts[:2] in (("/", "dev"), ("/", "proc")) else path.resolve()
    was = real.stat() if real.exists() else None
    if was is not None and (real is path or not stat.S_ISREG(was.st_mode)):
        real.write_bytes(data)
    elif was is not None and was.st_nlink > 1:
        _over(real, data)
    else:
        try:
            beside, handle = _new(real, 0o666 if was is None else 0o600)
        except PermissionError:
            if was is None:
                raise
            _over(real, data)
        else:
            _replace(real, was, beside, handle, data)


def put_own(path: Path, beside: Path, data: bytes) -> None:
    """A file that only we use, by way of `beside`, where what was half written is removed.

    Its mode is 0600, and a link in its place is replaced, not followed. Nothing waits for the
    disk: what is lost with the machine is made anew. Raises OSError.
    """
    beside.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
        file.write(data)
    beside.replace(path)


def _new(path: Path, mode: int) -> tuple[Path, int]:
    beside = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}")
    return beside, os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def _replace(
    path: Path, was: os.stat_result | None, beside: Path, handle: int, data: bytes
) -> None:
    try:
        try:
            if was is not None:
                _own_as(path, handle, was)
            _write(handle, data)
        finally:
            os.close(handle)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def _over(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        old = path.read_bytes()
        try:
            _write(handle, data)
        except OSError:
            with suppress(OSError):
                _write(handle, old)
            raise
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
    os.ftruncate(handle, len(data))
    os.fsync(handle)


def _own_as(path: Path, handle: int, was: os.stat_result) -> None:
    """Owner, mode and attributes of the old file; only root can give a file away."""
    if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(handle, was.st_uid, was.st_gid)
    with suppress(OSError, AttributeError):
        for name in os.listxattr(path):
            with suppress(OSError):
                os.setxattr(handle, name, os.getxattr(path, name))
    os.fchmod(handle, stat.S_IMODE(was.st_mode))
