"""A thread inside a pod's own network namespace, for as long as it takes to make a socket."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_OWN = Path("/proc/thread-self/ns/net")


@contextmanager
def entered(namespace: Path) -> Iterator[bool]:
    """This thread in the network namespace at path `namespace`, and home again at the end.

    Yields whether it is its own one. A socket keeps the namespace that its thread was in
    when it was made. Entering another one needs SYS_ADMIN.

    Raises:
        OSError: the process is gone, or the namespace may not be entered.
    """
    if os.path.samestat(namespace.stat(), _OWN.stat()):
        yield True
        return
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(namespace)
        try:
            yield False
        finally:
            _set(home)
    finally:
        os.close(home)


def is_same(one: Path, other: Path) -> bool:
    """Whether both paths are of one network namespace; False where one cannot be looked at."""
    try:
        return os.path.samestat(one.stat(), other.stat())
    except OSError:
        return False


def _enter(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _set(handle)
    finally:
        os.close(handle)


def _set(handle: int) -> None:
    """Python has os.setns only from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"cannot enter the pod's network namespace: {os.strerror(code)}")
