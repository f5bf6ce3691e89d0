"""The files that `NCCL_DEBUG_FILE` names: NCCL writes there, and not to the container's log.

`%h` is the host's name, `%p` the process, `%%` a per cent sign (NCCL, src/debug.cc).
"""

import string
from collections.abc import Mapping, Sequence

from msgspec import Struct

from distcheck.agent.probes.proc import Proc, Task

_HOST = frozenset(f"{string.ascii_letters}{string.digits}._-")
_PLACED = {"h": (_HOST, 253), "p": (frozenset(string.digits), 10)}
_STREAMS = ("stdout", "stderr", "/dev/", "/proc/", "/sys/")
_LONGEST = 1024
_LONGEST_NAME = 255
_MAX_PLACED = 8
_MAX_TASKS = 64
MAX_FORMS = 8
"""Of one container: every one more costs another look through a folder."""


class DebugFile(Struct, frozen=True):
    """A folder in the container, and the form of the names that NCCL makes there.

    `form` alternates: what stands there literally, then `h` or `p`, and so on; it begins and
    ends with what is literal, which may be empty.
    """

    folder: str
    form: tuple[str, ...]

    def matches(self, name: str) -> bool:
        """Whether NCCL may have made a file of this name.

        A container wrote the form, so no regular expression is made of it: the work is at
        most the length of the form times that of the name.
        """
        first, last = self.form[0], self.form[-1]
        if len(self.form) == 1:
            return name == first
        if len(name) > _LONGEST_NAME or not (name.startswith(first) and name.endswith(last)):
            return False
        ends = 1 << len(first)
        for placed, literal in zip(self.form[1::2], self.form[2::2], strict=True):
            ends = _after(name, _run(name, ends, *_PLACED[placed]), literal)
        return bool(ends >> len(name) & 1)


def _run(name: str, starts: int, chars: frozenset[str], most: int) -> int:
    """Where 1 to `most` of `chars` may end that begin at `starts`; bit N is offset N."""
    inside = sum(1 << at for at, char in enumerate(name) if char in chars)
    ends, here = 0, starts
    for _ in range(most):
        here = (here & inside) << 1
        if not here & ~ends:
            break
        ends |= here
    return ends


def _after(name: str, starts: int, literal: str) -> int:
    """Where `literal` ends that begins at one of `starts`."""
    if not literal:
        return starts
    ends, at = 0, name.find(literal)
    while at >= 0:
        if starts >> at & 1:
            ends |= 1 << at + len(literal)
        at = name.find(literal, at + 1)
    return ends


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
    form = _form(name)
    return None if form is None else DebugFile(above.replace("%%", "%") or "/", form)


def _form(name: str) -> tuple[str, ...] | None:
    """None where more is filled in than any name has use for: nobody can tell what NCCL made."""
    form, literal, at = [], "", 0
    while at < len(name):
        two = name[at : at + 2]
        if two in ("%h", "%p"):
            form += [literal, two[1]]
            literal = ""
        else:
            literal += "%" if two == "%%" else name[at]
        at += 2 if two in ("%h", "%p", "%%") else 1
    form.append(literal)
    return tuple(form) if len(form) <= 2 * _MAX_PLACED + 1 else None


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
