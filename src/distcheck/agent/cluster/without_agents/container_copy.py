"""What the collector brought from a container, as a folder that the agent's probes can read.

The container is not trusted. Which paths may be made is a list, no link is on the disk while
anything is written, and bytes, files and records are counted. Command lines and settings lose
their secrets before they are written.
"""

import base64
import binascii
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from distcheck.agent.cluster.without_agents.copy_folder import CopyFolder, new_folder
from distcheck.agent.redact import one_line, plain_text, without_secrets

_MAX_LINE = 24 << 20
_MAX_CONTENT = 64 << 20
_MAX_TOTAL = 128 << 20
_MAX_OF_PROC = 4 << 20
_MAX_RECORDS = 65_536
_MAX_GONE = 1024
_MAX_PATH = 4096
_MAX_SIZE = 1 << 50
_LAST_SECOND = 253_402_300_799
"""Of the year 9999, the last that a date can have."""
_DEEPEST = 32
_LONGEST_NAME = 255
_RECORD_COST = 64


class ContainerCopy:
    """Takes the collector's output in pieces; `root` is the container's root below it.

    `gone` are reasons by path, `told` what is no file (`/dev/shm`, `nvidia-smi`'s answers),
    `logs` the log files in the order in which they came, `cut` those that are not whole.
    Nothing may be taken after `finish`.
    """

    def __init__(self, folder: CopyFolder) -> None:
        self.root, self._folder = folder.root, folder
        self.gone: dict[str, str] = {}
        self.told: dict[str, bytes] = {}
        self.logs: dict[str, None] = {}
        self.cut: dict[str, None] = {}
        self.by, self.whole, self.broken = "", False, ""
        self._links: dict[str, str] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._rest, self._skips, self._total, self._records = bytearray(), False, 0, 0

    @property
    def proc(self) -> Path:
        """The `/proc` of the container."""
        return self.root / "proc"

    def take(self, chunk: bytes) -> None:
        """The next bytes; what is no record is left out, and said in `broken`."""
        first, *further = chunk.split(b"\n")
        self._keep(first)
        for piece in further:
            self._end()
            self._keep(piece)

    def _keep(self, piece: bytes) -> None:
        if len(self._rest) + len(piece) > _MAX_LINE:
            self._rest, self._skips = bytearray(), True
            self.broken = self.broken or "a record is longer than can be kept"
        if not self._skips:
            self._rest += piece

    def _end(self) -> None:
        line, self._rest = bytes(self._rest), bytearray()
        skips, self._skips = self._skips, False
        if not skips:
            self._line(line)

    def _line(self, line: bytes) -> None:
        self._records += 1
        left = _MAX_TOTAL - self._total
        if self._records > _MAX_RECORDS or left <= 0:
            self.broken = "more than can be kept"
            return
        try:
            kind, path, data = _record(line, min(left, _MAX_CONTENT))
            self._total += len(data) + _RECORD_COST
            self._take(kind, path, data)
        except (ValueError, OSError, zlib.error, OverflowError) as error:
            said = one_line(str(error))
            self.broken = self.broken or f"a record that cannot be read: {said}"

    def _take(self, kind: str, path: str, data: bytes) -> None:
        if kind in _KINDS:
            _KINDS[kind](self, path, data)
        elif kind in ("s", "n") and path in _TOLD:
            self.told[path] = data[:_MAX_TOLD]
        elif kind == "v":
            self.by = one_line(f"{path} {_text(data[:40])}")
        self.whole = self.whole or kind == "e"

    def _missing(self, path: str, data: bytes) -> None:
        if len(self.gone) < _MAX_GONE and path.isprintable():
            self.gone[path] = one_line(_text(data))

    def _cut(self, path: str, _data: bytes) -> None:
        if path == "/" or path in self.logs:
            self.cut[path] = None

    def _write(self, path: str, data: bytes) -> None:
        self._folder.write(parts_of(path), _clean(path, data))

    def _log(self, path: str, data: bytes) -> None:
        parts = parts_of(path)
        if parts[0] == "proc":
            raise ValueError(f"no log is at {path[:80]!r}")
        self._folder.write(parts, data, more=True)
        self.logs[path] = None

    def _make(self, path: str, _data: bytes) -> None:
        parts = parts_of(path)
        if parts[0] == "proc":
            raise ValueError(f"path {path[:80]!r}")
        self._folder.make(parts)

    def _link(self, path: str, data: bytes) -> None:
        """Where a process stands: kept until `finish`, so that nothing is written through it."""
        if _CWD.match(path):
            self._links[path] = os.fsdecode(data[:_MAX_PATH])

    def _stamp(self, path: str, data: bytes) -> None:
        """A file's size in the container and its time in seconds: numbers, until `finish`."""
        size, _, seconds = data[:64].decode("ascii").partition(" ")
        if int(size) < _MAX_SIZE and 0 <= int(seconds) <= _LAST_SECOND:
            self._stamps[path] = int(size), int(seconds)

    @contextmanager
    def opened(self, path: str) -> Iterator[int]:
        """A descriptor of a file that was brought.

        Raises:
            OSError: it was not.
            ValueError: no such path is ever brought.
        """
        with self._folder.opened(parts_of(path)) as handle:
            yield handle

    def finish(self) -> None:
        """The last touch: times, and what a node's `/proc` has and a container's has not.

        Only a checkpoint's file becomes as long as it is there: its length is evidence, and
        no more than its header is ever read.
        """
        for path, (size, seconds) in self._stamps.items():
            part = path.endswith(".safetensors") and path not in self.logs
            with self._said():
                self._folder.stamp(parts_of(path), seconds, size if part else 0)
        self._folder.write(("proc", "stat"), b"", more=True)
        for pid in [p.name for p in self.proc.iterdir() if p.name.isdecimal()]:
            with self._said():
                self._process(pid)

    def _process(self, pid: str) -> None:
        self._folder.write(("proc", pid, "cgroup"), _CGROUP)
        self._folder.link(("proc", pid, "root"), str(self.root))
        self._folder.link(("proc", pid, "net"), str(self.proc / "net"))
        if cwd := self._links.get(f"/proc/{pid}/cwd"):
            self._folder.link(("proc", pid, "cwd"), cwd)

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            self.broken = self.broken or f"a record that cannot be kept: {one_line(str(error))}"


def _text(data: bytes) -> str:
    return data[:300].decode("utf-8", "replace")


_KINDS: dict[str, Callable[[ContainerCopy, str, bytes], None]] = {
    "f": ContainerCopy._write,  # noqa: SLF001 - its own table
    "a": ContainerCopy._log,  # noqa: SLF001
    "l": ContainerCopy._link,  # noqa: SLF001
    "t": ContainerCopy._stamp,  # noqa: SLF001
    "d": ContainerCopy._make,
    "x": ContainerCopy._missing,  # noqa: SLF001
    "c": ContainerCopy._cut,  # noqa: SLF001
}
_TOLD = ("/dev/shm", "/dev/shm/files", "/dev/infiniband", "gpus")
_MAX_TOLD = 1 << 16
_PID = r"/proc/(?:self|[1-9][0-9]{0,9})"
_CWD = re.compile(rf"{_PID}/cwd\Z", re.ASCII)
_OF_PROC = re.compile(
    rf"/proc/stat\Z|/proc/net/tcp6?\Z|{_PID}/(?:stat|cmdline|status|mountinfo|limits|environ)\Z",
    re.ASCII,
)
_CGROUP = f"0::/kubepods-pod{'0' * 32}.slice\n".encode()


def parts_of(path: str) -> tuple[str, ...]:
    """The names of which the path of a file consists, each a plain one.

    Raises:
        ValueError: it is not absolute, is long, has odd names, or is one of `/proc`'s that
            the collector never sends.
    """
    parts = tuple(path.split("/")[1:]) if len(path) <= _MAX_PATH else ()
    if not path.startswith("/") or not 0 < len(parts) <= _DEEPEST:
        raise ValueError(f"path {path[:80]!r}")
    if not all(_plain(p) for p in parts) or (parts[0] == "proc" and not _OF_PROC.match(path)):
        raise ValueError(f"path {path[:80]!r}")
    return parts


def _plain(name: str) -> bool:
    return name not in ("", ".", "..") and name.isprintable() and len(name) <= _LONGEST_NAME


def _clean(path: str, data: bytes) -> bytes:
    """The content of a file as it may be kept: no secret of a command line or of settings."""
    if path.startswith("/proc/"):
        data = data[:_MAX_OF_PROC]
        if not path.endswith("/cmdline"):
            return data
        words = [w.decode("utf-8", "surrogateescape") for w in data.split(b"\0")]
        return "\0".join(without_secrets(words)).encode("utf-8", "surrogateescape")
    if path.endswith((".json", ".safetensors", ".pbtxt", "/refs/main")):
        return data
    return plain_text(data.decode("utf-8", "replace")).encode()


def _record(line: bytes, limit: int) -> tuple[str, str, bytes]:
    kind, packed, path, data = line.split(b" ", 3)
    content = _decoded(data)
    if packed == b"z":
        inflater = zlib.decompressobj()
        content = inflater.decompress(content, limit)
        if not inflater.eof:
            raise ValueError("more than can be kept")
    return kind.decode("ascii"), os.fsdecode(_decoded(path[: 2 * _MAX_PATH])), content


def _decoded(text: bytes) -> bytes:
    if text == b"-":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


@contextmanager
def new_copy() -> Iterator[ContainerCopy]:
    """An empty copy in a folder that only this user can read, gone at the end.

    Raises:
        OSError: there is no place for one, or the process is ending.
    """
    with new_folder() as folder:
        folder.make(("proc",))
        yield ContainerCopy(folder)
