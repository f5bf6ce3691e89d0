"""The logs of a pod, distilled: its containers' files, and those of Ray inside the container."""

import os
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from gzip import BadGzipFile
from typing import IO

from msgspec import Struct, structs

from distcheck.agent.logs.distil import CHUNK, Distilled, Distiller, combine
from distcheck.agent.probes import podlogs
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import ProbeError

SESSION = "/tmp/ray/session_latest/logs"
_WORKER = re.compile(r"worker-[0-9a-f]+-[0-9a-f]+-\d+\.(out|err)\Z")
_MAX_PODS = 64
_DAMAGE = (EOFError, BadGzipFile, zlib.error)
Sign = tuple[int, int, int]


class Found(Struct, frozen=True):
    """A log file: how its lines are cited, and how it is opened."""

    source: str
    opened: AbstractContextManager[IO[bytes]]


class _Kept(Struct, frozen=True):
    sign: Sign
    limit: int
    part: Distilled


class PodLogs:
    """Distils pods' logs; a file that has not changed is not read again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, _Kept]] = {}

    def look(self, pod: PodFolder, container: Container | None, *, ray: bool) -> Distilled:
        """All logs of the pod as one, at most `limit` bytes of them.

        With `ray`, Ray's workers write into the container, and what of theirs cannot be
        read is named in the NCCL log's `dropped`.

        Raises:
            ProbeError: the pod has no log that can be read.
        """
        lost: list[str] = []
        files = [*_node_files(pod), *(_session_files(pod, container, lost) if ray else ())]
        parts = list(self._parts(pod, files, lost))
        if not parts:
            raise ProbeError(f"no log of {pod.name} can be read: {'; '.join(lost) or 'none there'}")
        whole = combine(parts)
        lost += [p.cut for p in parts if p.cut]
        dropped = (*whole.nccl.dropped, *dict.fromkeys(lost))
        return structs.replace(whole, nccl=structs.replace(whole.nccl, dropped=dropped))

    def _parts(self, pod: PodFolder, files: list[Found], lost: list[str]) -> Iterator[Distilled]:
        old, left = self._kept.get(pod.uid, {}), self._limit
        kept: dict[str, _Kept] = {}
        for found in files:
            try:
                one = _read(found, left, old.get(found.source))
            except (OSError, ProbeError) as error:
                lost.append(f"{found.source} cannot be read: {_words(error)}")
                continue
            kept[found.source] = one
            left = max(0, left - one.part.bytes)
            yield one.part
        self._keep(pod.uid, kept)

    def _keep(self, uid: str, kept: dict[str, _Kept]) -> None:
        """Forget the pods that were asked for longest ago: pods come and go for months."""
        with self._lock:
            self._kept.pop(uid, None)
            self._kept[uid] = kept
            for old in list(self._kept)[:-_MAX_PODS]:
                del self._kept[old]


def _read(found: Found, limit: int, old: _Kept | None) -> _Kept:
    with found.opened as file:
        seen = os.fstat(file.fileno())
        sign = (seen.st_ino, seen.st_size, seen.st_mtime_ns)
        if old is not None and old.sign == sign and _stands(old, limit):
            return old
        return _Kept(sign, limit, _distilled(file, found.source, limit))


def _stands(old: _Kept, limit: int) -> bool:
    """Whether reading under `limit` would give the same again."""
    return old.limit == limit or (old.part.cut is None and old.part.bytes <= limit)


def _distilled(file: IO[bytes], source: str, limit: int) -> Distilled:
    distiller, left = Distiller(source), limit
    try:
        stream = podlogs.unpacked(file)
        while chunk := stream.read(CHUNK):
            if len(chunk) > left:
                return distiller.finish(f"{source} is read only in part: logs are too large")
            distiller.feed(chunk)
            left -= len(chunk)
    except _DAMAGE as error:
        return distiller.finish(f"{source} is damaged: {error}")
    return distiller.finish()


def _node_files(pod: PodFolder) -> Iterator[Found]:
    for path in podlogs.container_files(pod):
        yield Found(f"{pod.name}:{path.parent.name}/{path.name}", podlogs.opened(path))


def _session_files(pod: PodFolder, container: Container | None, lost: list[str]) -> Iterator[Found]:
    """Ray's workers write to files of their own; the container's log has at most copies."""
    if container is None:
        lost.append(f"{pod.name}: no process is left through which Ray's worker logs can be read")
        return
    try:
        names = container.names(SESSION)
    except (OSError, ProbeError) as error:
        lost.append(f"{pod.name}:{SESSION} cannot be read: {_words(error)}")
        return
    for name in filter(_WORKER.match, names):
        path = f"{SESSION}/{name}"
        yield Found(f"{pod.name}:{path}", _inside(container, path))


@contextmanager
def _inside(container: Container, path: str) -> Iterator[IO[bytes]]:
    with container.opened(path) as handle, os.fdopen(os.dup(handle), "rb") as file:
        yield file


def _words(error: OSError | ProbeError) -> str:
    return getattr(error, "strerror", None) or str(error)
