"""The files that `NCCL_DEBUG_FILE` names: NCCL writes there, and not to the container's log.

`%h` is the host's name, `%p` the process, `%%` a per cent sign (NCCL, src/debug.cc).
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from distcheck.agent.probes.proc import Proc, Task

_FORMS = {"h": r"[A-Za-z0-9._-]{1,253}", "p": r"[0-9]{1,10}", "%": "%"}
_STREAMS = ("stdout", "stderr", "/dev/", "/proc/", "/sys/")
_LONGEST = 1024
_MAX_TASKS = 64


class DebugFile(Struct, frozen=True):
    """A folder in the container, and the form of the names that NCCL makes there."""

    folder: str
    form: str

    def matches(self, name: str) -> bool:
        """Whether NCCL may have made a file of this name."""
        return re.fullmatch(self.form, name) is not None


def debug_file(environ: Mapping[str, str], folder: str | None) -> DebugFile | None:
    """What the environment of a process in working folder `folder` names; None where nothing.

    Neither is a stream that is in the container's log anyway, nor a pattern in a folder's name.
    """
    value = environ.get("NCCL_DEBUG_FILE", "")
    if not value or len(value) > _LONGEST or value.startswith(_STREAMS):
        return None
    path = value if value.startswith("/") else f"{folder}/{value}"
    above, _, name = path.rpartition("/")
    if not path.startswith("/") or not name or "%" in above.replace("%%", ""):
        return None
    words = re.split(r"%(.)", name)
    literal = [re.escape(word) for word in words[::2]]
    placed = [_FORMS.get(word, re.escape(f"%{word}")) for word in words[1::2]]
    form = literal[0] + "".join(a + b for a, b in zip(placed, literal[1:], strict=True))
    return DebugFile(above.replace("%%", "%") or "/", form)


def debug_files(proc: Proc, tasks: Sequence[Task]) -> tuple[DebugFile, ...]:
    """What the environments of these processes name; one that cannot be read names nothing."""
    found: dict[DebugFile, None] = {}
    for task in tasks[:_MAX_TASKS]:
        try:
            one = debug_file(proc.environ(task.pid), proc.folder(task.pid))
        except OSError:
            continue
        if one is not None:
            found[one] = None
    return tuple(found)
