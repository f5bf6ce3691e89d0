"""Which files of Ray's latest session are of the job that runs now.

A session outlives its jobs: the files of each worker stay, without times. Ray names them
`worker-<worker>-<job>-<pid>.out` and `.err`; workers started ahead of any job have none or
`ffffffff` there, and write `:job_id:<job>` when they get one (ray._private.ray_logging,
log_monitor).
"""

import os
import re

from msgspec import Struct

from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError

SESSION = "/tmp/ray/session_latest/logs"
_WORKER = re.compile(
    r"worker-[0-9a-f]{1,64}-(?:(?P<job>[0-9a-f]{1,32})-)?(?P<pid>[0-9]{1,10})\.(?:out|err)\Z"
)
_JOB = re.compile(rb"^:job_id:([0-9a-f]{1,32})[ \r]{0,4}$", re.MULTILINE)
_NO_JOB = "ffffffff"
_HEAD = 1 << 14
_MAX_FILES = 512
_TITLES = (b"ray::", b"default_worker.py")
_GONE = (FileNotFoundError, ProcessLookupError, NotADirectoryError)


class WorkerLog(Struct, frozen=True):
    """A worker's file; `job` is None where nothing names it, `written` is in nanoseconds."""

    path: str
    job: str | None
    pid: int
    written: int = 0


class Session(Struct, frozen=True):
    """`paths` are the files to read, `earlier` those of other jobs whose workers have ended."""

    paths: tuple[str, ...]
    earlier: tuple[WorkerLog, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def left_out(self) -> str | None:
        """The files that are left out, in words."""
        if not self.earlier:
            return None
        jobs = ", ".join(sorted({str(log.job) for log in self.earlier})[:4])
        count = len(self.earlier)
        return f"{count} log file{'s' * (count != 1)} of earlier Ray jobs ({jobs}) left out"


def session_of(container: Container) -> Session:
    """The workers' files of the job that wrote last, and of workers that still run.

    Raises:
        OSError: the session's folder cannot be read.
        ProbeError: its links lead nowhere.
    """
    found, lost = _workers(container)
    logs = [_log(container, m) for m in found]
    newest = max((log for log in logs if log.job), key=lambda log: log.written, default=None)
    job = None if newest is None else newest.job
    others = [log for log in logs if log.job not in (None, job)]
    running, hidden = _running(container, {log.pid for log in others})
    earlier = tuple(log for log in others if log.pid not in running)
    gone = {log.path for log in earlier}
    return Session(
        tuple(log.path for log in logs if log.path not in gone), earlier, (*lost, *hidden)
    )


def _workers(container: Container) -> tuple[list[re.Match[str]], list[str]]:
    """The names of workers' files, sorted; where there are too many, those written last."""
    names, whole = container.named(SESSION, _WORKER.match)
    lost = [] if whole else [f"{SESSION} holds too many files: some are not seen"]
    if len(names) > _MAX_FILES:
        lost.append(f"{SESSION} has {len(names)} files of workers: {_MAX_FILES} are read")
        seen = container.stats(SESSION, names)
        kept = sorted(seen, key=lambda n: seen[n].st_mtime_ns)[-_MAX_FILES:]
        names = sorted(kept)
    return [m for n in names if (m := _WORKER.match(n))], lost


def _log(container: Container, name: re.Match[str]) -> WorkerLog:
    """A file that cannot be opened is kept: who reads it will say so."""
    path = f"{SESSION}/{name.string}"
    job = name["job"] if name["job"] != _NO_JOB else None
    try:
        with container.opened_log(path) as handle:
            seen = os.fstat(handle)
            said = _JOB.search(os.pread(handle, min(_HEAD, seen.st_size), 0))
            written = seen.st_mtime_ns
    except (OSError, ProbeError):
        return WorkerLog(path, None, int(name["pid"]))
    return WorkerLog(path, said[1].decode() if said else job, int(name["pid"]), written)


def _running(container: Container, pids: set[int]) -> tuple[set[int], tuple[str, ...]]:
    """Which of `pids` are workers of Ray, by the container's own `/proc`; what hides it."""
    running: set[int] = set()
    lost: dict[str, None] = {}
    for pid in sorted(pids):
        try:
            argv = container.read(f"/proc/{pid}/cmdline", 1 << 12)
        except _GONE:
            continue
        except (OSError, ProbeError) as error:
            lost[
                f"/proc: whether workers of earlier Ray jobs still run cannot be seen: {error}"
            ] = None
            continue
        if any(title in argv for title in _TITLES):
            running.add(pid)
    return running, tuple(lost)
