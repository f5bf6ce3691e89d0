"""What the collector brought from a container, as a folder that the agent's probes can read.

The container is not trusted: names are made safe, sizes are bounded, and only plain files and
the links of `/proc` are made. The folder is in memory where the machine has such a place.
"""

import base64
import binascii
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = Path("/dev/shm")
_MAX_LINE = 48 << 20
_MAX_CONTENT = 64 << 20
_MAX_TOTAL = 256 << 20
_MAX_RECORDS = 100_000
_MAX_SPARSE = 1 << 50
_DEEPEST = 32


class ContainerCopy:
    """Takes the collector's output in pieces; `root` is the container's root below it.

    `gone` are reasons by path, `told` what is no file (`/dev/shm`, `nvidia-smi`'s answers),
    `logs` the log files in the order in which they came, `cut` those that are not whole.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.gone: dict[str, str] = {}
        self.told: dict[str, bytes] = {}
        self.logs: dict[str, None] = {}
        self.cut: list[str] = []
        self.by, self.whole, self.broken = "", False, ""
        self._rest, self._total, self._records = bytearray(), 0, 0

    @property
    def proc(self) -> Path:
        """The `/proc` of the container."""
        return self.root / "proc"

    def take(self, chunk: bytes) -> None:
        """The next bytes; what is no record is left out, and said in `broken`."""
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            self._line(bytes(line))
        if len(rest) > _MAX_LINE:
            self._rest, self.broken = bytearray(), "a line without an end"

    def _line(self, line: bytes) -> None:
        self._records += 1
        if self._records > _MAX_RECORDS or self._total > _MAX_TOTAL:
            self.broken = "more than can be kept"
            return
        try:
            kind, path, data = _record(line)
            self._total += len(data)
            self._take(kind, path, data)
        except (ValueError, OSError, zlib.error, OverflowError) as error:
            self.broken = self.broken or f"a record that cannot be read: {error}"

    def _take(self, kind: str, path: str, data: bytes) -> None:
        if kind in _FILES:
            _FILES[kind](self, path, data)
        elif kind == "x":
            self.gone[path] = _text(data)
        elif kind == "c":
            self.cut.append(path)
        elif kind in ("s", "n"):
            self.told[path] = data
        elif kind == "v":
            self.by = f"{path} {_text(data[:40])}"
        self.whole = self.whole or kind == "e"

    def _log(self, path: str, data: bytes) -> None:
        self.logs[path] = None
        self._write(path, data, more=True)

    def _folder(self, path: str, _data: bytes) -> None:
        self.place(path).mkdir(parents=True, exist_ok=True)

    def place(self, path: str) -> Path:
        """Where `path` of the container is in the folder; links that were made are not followed."""
        parts = path.split("/")[1:]
        odd = not path.startswith("/") or len(parts) > _DEEPEST
        if odd or any(p in ("", ".", "..") or "\0" in p for p in parts):
            raise ValueError(f"path {path[:80]!r}")
        if parts[0] == "proc" and parts[1:] and parts[-1] not in _OF_PROC | {"tcp", "tcp6"}:
            raise ValueError(f"path {path[:80]!r}")
        return self.root.joinpath(*parts)

    def _write(self, path: str, data: bytes, *, more: bool = False) -> None:
        place = self.place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab" if more else "wb") as file:
            file.write(data)

    def _link(self, path: str, data: bytes) -> None:
        if path.startswith("/proc/") and path.endswith("/cwd"):
            place = self.place(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(os.fsdecode(data[:4096]))

    def _stamp(self, path: str, data: bytes) -> None:
        """A file's true size, as a hole after its first bytes, and its time in seconds."""
        size, _, seconds = data[:64].decode("ascii").partition(" ")
        place = self.place(path)
        if place.stat().st_size <= int(size) < _MAX_SPARSE:
            os.truncate(place, int(size))
        os.utime(place, (int(seconds), int(seconds)))

    def finish(self) -> None:
        """Give each process what a node's `/proc` has and a container's has not."""
        (self.proc / "stat").touch()
        for folder in list(self.proc.iterdir()):
            if folder.name.isdecimal() and folder.is_dir():
                (folder / "cgroup").write_text(_CGROUP)
                for name, target in (("root", self.root), ("net", self.proc / "net")):
                    (folder / name).symlink_to(target)


def _text(data: bytes) -> str:
    return data[:300].decode("utf-8", "replace")


_FILES: dict[str, Callable[[ContainerCopy, str, bytes], None]] = {
    "f": ContainerCopy._write,  # noqa: SLF001 - its own table
    "a": ContainerCopy._log,  # noqa: SLF001
    "l": ContainerCopy._link,  # noqa: SLF001
    "t": ContainerCopy._stamp,  # noqa: SLF001
    "d": ContainerCopy._folder,  # noqa: SLF001
}
_OF_PROC = frozenset({"stat", "cmdline", "status", "mountinfo", "limits", "environ", "cwd"})
_CGROUP = f"0::/kubepods-pod{'0' * 32}.slice\n"


def _record(line: bytes) -> tuple[str, str, bytes]:
    kind, packed, path, data = line.decode("ascii").split(" ")
    content = _decoded(data)
    if packed == "z":
        inflater = zlib.decompressobj()
        content = inflater.decompress(content, _MAX_CONTENT)
        if not inflater.eof:
            raise ValueError("more than can be kept")
    return kind, os.fsdecode(_decoded(path)), content


def _decoded(text: str) -> bytes:
    if text == "-":
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


@contextmanager
def new_copy() -> Iterator[ContainerCopy]:
    """An empty copy in a folder that only this user can read, gone at the end."""
    where = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="distcheck-", dir=where, ignore_cleanup_errors=True
    ) as folder:
        root = Path(folder)
        (root / "proc").mkdir()
        yield ContainerCopy(root)
