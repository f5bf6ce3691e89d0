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
            _enter(Path(f"/proc/self/fd/{home}"))
    finally:
        os.close(home)


def _enter(path: Path) -> None:
    """Python has os.setns only from 3.12 on."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"cannot enter the pod's network namespace: {os.strerror(code)}")
    finally:
        os.close(handle)
