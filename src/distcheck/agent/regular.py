"""Opens regular files only: a name may be a pipe that blocks, or a device that acts."""

import os
import stat

_LOOK = os.O_PATH | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(name: str, folder: int | None = None, *, follow: bool = False) -> int | None:
    """A descriptor of the regular file `name` in `folder`, to read; None for anything else.

    It is looked at first, without being opened (`O_PATH`, open(2)), and what was looked at
    is what is opened: nothing can be put in its place in between.

    Raises:
        OSError: it is not there or may not be read.
    """
    there = os.open(name, _LOOK if follow else _LOOK | os.O_NOFOLLOW, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(there).st_mode):
            return None
        return os.open(f"/proc/self/fd/{there}", _READ)
    finally:
        os.close(there)
