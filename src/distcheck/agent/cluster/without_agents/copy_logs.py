"""The logs in the collector's copy of a container: of Ray's job that runs, and of NCCL's files."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from msgspec import Struct

from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy
from distcheck.agent.cluster.without_agents.running_logs import of_now
from distcheck.agent.logs.distil import CHUNK, Distilled, Distiller
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.ray_session import SESSION, Session, session_of
from distcheck.agent.redact import one_line
from distcheck.agent.written import dated
from distcheck.checks.evidence import Missing, Pod
from distcheck.checks.evidence.nccl import Mark
from distcheck.checks.knowledge.nccl_failures import EARLIER_JOBS

T = TypeVar("T")
_MAX_TOLD = 16
_RAY = ("raylet", "gcs_server")


def where_in(pod: Pod) -> str:
    """How what was seen there is cited."""
    return f"exec in {pod.name}"


def part(where: str, look: Callable[[], T]) -> T | Missing:
    """What `look` sees; why not, where it cannot."""
    try:
        return look()
    except (ProbeError, OSError) as error:
        return Missing(f"{where}: {_words(error)}")
    except Exception as error:  # noqa: BLE001 - what a container says must never end us
        return Missing(f"{where}: internal error: {type(error).__name__}")


def _words(error: OSError | ProbeError) -> str:
    """An error without the folder that the copy was in."""
    return one_line(error.strerror or str(error) if isinstance(error, OSError) else str(error))


class LogsRead(Struct, frozen=True):
    """What the logs show, what was left out of them, and what could not be read of them.

    `lost` is what Ray's folder says, `unread` what the copy lacks or time did not allow.
    """

    logs: tuple[Distilled, ...]
    marks: tuple[Mark, ...]
    lost: tuple[str, ...]
    unread: tuple[str, ...]


class CopyLogs:
    """Reads the logs of one copy until `deadline` (on `time.monotonic`)."""

    def __init__(
        self, pod: Pod, copy: ContainerCopy, tasks: Sequence[Task], deadline: float
    ) -> None:
        self._pod, self._copy, self._tasks, self._deadline = pod, copy, tasks, deadline
        self._where = where_in(pod)
        self._unread: list[str] = []

    def read(self) -> LogsRead:
        """All of them."""
        session, lost = self._session()
        logs = list(self._logs(session))
        marks = self._marks(session, sum(cut for _, cut in logs))
        read = tuple(log for log, _ in logs)
        return LogsRead(read, tuple(marks), tuple(lost), tuple(self._lacks()))

    def _session(self) -> tuple[Session, list[str]]:
        """Ray's worker logs; only where Ray runs is their absence a loss."""
        ray = any(t.title in _RAY or t.title.startswith("ray::") for t in self._tasks)
        if not ray:
            return Session(()), []
        container = Container(str(self._copy.proc), self._tasks[0].pid)
        found = part(self._where, lambda: session_of(container))
        if isinstance(found, Missing):
            return Session(()), [f"{self._where}:{SESSION} was not read: {found.reason}"]
        return found, [f"{self._where}:{said}" for said in found.lost]

    def _logs(self, session: Session) -> Iterator[tuple[Distilled, bool]]:
        """Those of Ray's job that runs, and those of `NCCL_DEBUG_FILE`; was some left out."""
        debug = [p for p in self._copy.logs if not p.startswith(f"{SESSION}/")]
        running = {int(p.name) for p in self._copy.proc.iterdir() if p.name.isdecimal()}
        for path in (*session.paths, *debug):
            if time.monotonic() >= self._deadline:
                self._unread.append(path)
                continue
            one = part(self._where, lambda path=path: self._distilled(path))  # type: ignore[misc]
            if isinstance(one, Distilled):
                yield of_now(one, path, running)
            else:
                self._unread.append(path)

    def _distilled(self, path: str) -> Distilled:
        source = f"{self._where}:{path}"
        distiller, whole = Distiller(source), path not in self._copy.cut
        with self._copy.opened(path) as handle:
            while chunk := os.read(handle, CHUNK):
                distiller.feed(chunk)
                if time.monotonic() >= self._deadline:
                    whole = False
                    break
            cut = None if whole else f"{source} is read only in part"
            return dated(distiller.finish(cut), handle)

    def _marks(self, session: Session, ended: int) -> Iterator[Mark]:
        """What was left out of logs, as notes: it is of processes that have ended."""
        files = f"{ended} log file{'s' * (ended != 1)}"
        of_ended = f"ranks in {files} of processes that have ended left out" if ended else None
        for said in (session.left_out, of_ended):
            if said is not None:
                yield Mark(EARLIER_JOBS, said, self._pod.name, f"{self._where}:{SESSION}")

    def _lacks(self) -> Iterator[str]:
        """What of logs was not brought, as it may hold what is looked for."""
        if "/" in self._copy.cut:
            yield f"{self._where}: logs inside the container are read only in part"
        gone = [(p, why) for p, why in self._copy.gone.items() if p.startswith(f"{SESSION}/")]
        for path, why in gone[:_MAX_TOLD]:
            yield f"{self._where}:{path} cannot be read: {why}"
        if len(gone) > _MAX_TOLD:
            yield f"{self._where}: {len(gone) - _MAX_TOLD} more logs cannot be read"
        if self._unread:
            first, count = self._unread[0], len(self._unread)
            yield f"{self._where}: {count} logs of the container were not read, the first {first}"
