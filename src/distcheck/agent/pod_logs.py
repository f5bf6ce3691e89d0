"""The logs of a pod, distilled: its containers' files, and those of Ray inside the container."""

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from msgspec import structs

from distcheck.agent.debug_file import DebugFile
from distcheck.agent.inside_logs import every_debug_path, words
from distcheck.agent.log_file import Found, Kept, read
from distcheck.agent.logs.distil import Distilled, combine
from distcheck.agent.probes import podlogs
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.ray_session import SESSION, Session, session_of
from distcheck.checks.evidence.nccl import Mark
from distcheck.checks.knowledge.nccl_failures import EARLIER_JOBS

_MAX_PODS = 64


class PodLogs:
    """Distils pods' logs; a file that has not changed is not read again."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, Kept]] = {}

    def look(
        self,
        pod: PodFolder,
        container: Container | None,
        *,
        ray: bool,
        debug: Sequence[DebugFile] = (),
    ) -> Distilled:
        """All logs of the pod as one, at most `limit` bytes of them.

        With `ray`, Ray's workers write into the container, and what of theirs cannot be
        read is named in the NCCL log's `dropped`. Files of jobs that ended are named in a mark.
        `debug` are files that NCCL was told to write there.

        Raises:
            ProbeError: the pod has no log that can be read.
        """
        lost: list[str] = []
        session = _session(pod, container, lost) if ray else Session(())
        files = [*_node_files(pod), *_inside_files(pod, container, session)]
        if container is not None:
            files += _debug_files(pod, container, debug, lost)
        parts = list(self._parts(pod, files, lost))
        return as_one(pod, parts, lost, _earlier(pod, session))

    def forget(self, there: Iterable[PodFolder]) -> None:
        """Forget the pods that are not `there` any more."""
        staying = {pod.uid for pod in there}
        with self._lock:
            self._kept = {uid: kept for uid, kept in self._kept.items() if uid in staying}

    def _parts(self, pod: PodFolder, files: list[Found], lost: list[str]) -> Iterator[Distilled]:
        old, left = self._kept.get(pod.uid, {}), self._limit
        kept: dict[str, Kept] = {}
        for found in files:
            try:
                one = read(found, left, old.get(found.source))
            except (OSError, ProbeError) as error:
                lost.append(f"{found.source} cannot be read: {words(error)}")
                continue
            kept[found.source] = one
            left = max(0, left - one.part.bytes)
            yield one.part
        self._keep(pod.uid, kept)

    def _keep(self, uid: str, kept: dict[str, Kept]) -> None:
        """Forget the pods that were asked for longest ago: pods come and go for months."""
        with self._lock:
            self._kept.pop(uid, None)
            self._kept[uid] = kept
            for old in list(self._kept)[:-_MAX_PODS]:
                del self._kept[old]


def as_one(
    pod: PodFolder, parts: Sequence[Distilled], lost: Sequence[str], marks: Iterable[Mark]
) -> Distilled:
    """The logs of a pod as one; what of them is `lost` is in the NCCL log's `dropped`.

    Raises:
        ProbeError: there is no log.
    """
    if not parts:
        raise ProbeError(f"no log of {pod.name} can be read: {'; '.join(lost) or 'none there'}")
    whole = combine(parts)
    said = (*lost, *(p.cut for p in parts if p.cut))
    dropped = (*whole.nccl.dropped, *dict.fromkeys(said))
    nccl = structs.replace(whole.nccl, dropped=dropped, marks=(*whole.nccl.marks, *marks))
    return structs.replace(whole, nccl=nccl)


def _node_files(pod: PodFolder) -> Iterator[Found]:
    for path in podlogs.container_files(pod):
        yield Found(f"{pod.name}:{path.parent.name}/{path.name}", podlogs.opened(path))


def _session(pod: PodFolder, container: Container | None, lost: list[str]) -> Session:
    """Ray's workers write to files of their own; the container's log has at most copies."""
    if container is None:
        lost.append(f"{pod.name}: no process is left through which Ray's worker logs can be read")
        return Session(())
    try:
        found = session_of(container)
    except (OSError, ProbeError) as error:
        lost.append(f"{pod.name}:{SESSION} cannot be read: {words(error)}")
        return Session(())
    lost += [f"{pod.name}:{said}" for said in found.lost]
    return found


def _inside_files(pod: PodFolder, container: Container | None, session: Session) -> Iterator[Found]:
    if container is not None:
        for path in session.paths:
            yield Found(f"{pod.name}:{path}", _inside(container, path))


def _debug_files(
    pod: PodFolder, container: Container, debug: Sequence[DebugFile], lost: list[str]
) -> Iterator[Found]:
    said: list[str] = []
    paths = every_debug_path(container, debug, said)
    lost += [f"{pod.name}:{one}" for one in said]
    for path in dict.fromkeys(paths):
        yield Found(f"{pod.name}:{path}", _inside(container, path))


def _earlier(pod: PodFolder, session: Session) -> tuple[Mark, ...]:
    """What was left out, as a note: it is no gap, as those workers have ended."""
    said = session.left_out
    return () if said is None else (Mark(EARLIER_JOBS, said, pod.name, f"{pod.name}:{SESSION}"),)


@contextmanager
def _inside(container: Container, path: str) -> Iterator[IO[bytes]]:
    with container.opened_log(path) as handle, os.fdopen(os.dup(handle), "rb") as file:
        yield file
