"""The agent's state folder: what it has distilled from logs, kept across its own restarts.

One file a log, written beside and renamed, so that it is whole or not there. Nothing else in
the folder is touched.
"""

import os
import re
import zlib
from collections.abc import Iterable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec
from msgspec import Struct

from distcheck.agent.replacing import put_own
from distcheck.agent.tail_place import Place

VERSION = 1
"""Of what is kept. To be counted up when the meaning of what is kept changes."""

MAX_FILE = 4 << 20
MAX_FILES = 2048
MAX_BYTES = 256 << 20
_MAGIC = b"distcheck-state "
_DIGEST = 16
_OURS = re.compile(r"[a-z0-9.-]{1,253}\.[0-9a-f]{32}\.(?:state|new)\Z")


class KeptLog(Struct, frozen=True):
    """One log as far as it was read: its key in its pod, the place, gaps, a distiller's state."""

    key: str
    place: Place
    gaps: tuple[str, ...]
    saved: bytes


class StateError(Exception):
    """What is kept cannot be used; the message says why."""


_KEPT = msgspec.msgpack.Decoder(KeptLog)


class StateFolder:
    """Keeps logs by pod uid and key. Off where `path` is empty: nothing is kept then."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self.trouble: str | None = None
        self._sizes = self._listed()

    @property
    def on(self) -> bool:
        """Whether anything is kept at all."""
        return self._path is not None

    @property
    def uids(self) -> set[str]:
        """Pods of which something is kept."""
        return {name.rsplit(".", 2)[0] for name in self._sizes}

    def load(self, uid: str, key: str) -> KeptLog | None:
        """What is kept of a log; None where nothing is.

        Raises:
            StateError: it is damaged, of another version, or not to be read.
        """
        name = _name(uid, key)
        if self._path is None or name not in self._sizes:
            return None
        try:
            kept = _decoded(self._read(name))
        except OSError as error:
            raise StateError(f"it cannot be read: {error.strerror}") from error
        if kept.key != key:
            raise StateError("it is of another log")
        return kept

    def save(self, uid: str, log: KeptLog) -> None:
        """Keep this, in place of what was kept of the log. What has no room is not kept."""
        if self._path is None:
            return
        name, data = _name(uid, log.key), _encoded(log)
        others = sum(self._sizes.values()) - self._sizes.get(name, 0)
        full = len(self._sizes) >= MAX_FILES and name not in self._sizes
        if len(data) > MAX_FILE or full or others + len(data) > MAX_BYTES:
            self.trouble = f"{self._path} has no room for more"
            self._remove(name)
            return
        try:
            self._write(name, data)
        except OSError as error:
            self.trouble = f"{self._path} cannot be written: {error.strerror}"

    def forget(self, uid: str, but: Iterable[str] = ()) -> None:
        """Remove what is kept of a pod, `but` the logs of these keys."""
        staying = {_name(uid, key) for key in but}
        for name in [n for n in self._sizes if n.rsplit(".", 2)[0] == uid]:
            if name not in staying:
                self._remove(name)

    def _read(self, name: str) -> bytes:
        assert self._path is not None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self._path / name, flags), "rb") as file:
            return file.read(MAX_FILE + 1)

    def _write(self, name: str, data: bytes) -> None:
        assert self._path is not None
        new = self._path / f"{name.removesuffix('.state')}.new"
        put_own(self._path / name, new, data)
        self._sizes[name] = len(data)
        self.trouble = None

    def _remove(self, name: str) -> None:
        if self._path is not None and self._sizes.pop(name, None) is not None:
            with suppress(OSError):
                (self._path / name).unlink(missing_ok=True)

    def _listed(self) -> dict[str, int]:
        """Sizes of the files that are ours by their names; half-written ones are removed."""
        if self._path is None:
            return {}
        sizes = {}
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if not _OURS.match(entry.name) or not entry.is_file(follow_symlinks=False):
                        continue
                    if entry.name.endswith(".new"):
                        with suppress(OSError):
                            Path(entry.path).unlink(missing_ok=True)
                    else:
                        sizes[entry.name] = entry.stat(follow_symlinks=False).st_size
        except OSError as error:
            self.trouble = f"{self._path} cannot be used: {error.strerror}"
        return sizes


def _name(uid: str, key: str) -> str:
    return f"{uid}.{blake2b(key.encode('utf-8', 'replace'), digest_size=16).hexdigest()}.state"


def _encoded(log: KeptLog) -> bytes:
    body = zlib.compress(msgspec.msgpack.encode(log), 1)
    return b"%s%d\n%s%s" % (_MAGIC, VERSION, blake2b(body, digest_size=_DIGEST).digest(), body)


def _decoded(data: bytes) -> KeptLog:
    head, _, rest = data.partition(b"\n")
    if not head.startswith(_MAGIC):
        raise StateError("it is no state of distcheck's")
    if head[len(_MAGIC) :] != b"%d" % VERSION:
        raise StateError("another version of distcheck wrote it")
    digest, body = rest[:_DIGEST], rest[_DIGEST:]
    if blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise StateError("it is damaged")
    try:
        stream = zlib.decompressobj()
        return _KEPT.decode(stream.decompress(body, 8 * MAX_FILE))
    except (zlib.error, msgspec.DecodeError) as error:
        raise StateError("it is damaged") from error
