"""One pod whose logs are followed."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct, field

from distcheck.agent.debug_file import debug_files
from distcheck.agent.inside_logs import Inside
from distcheck.agent.logs.distil import Distilled
from distcheck.agent.pod_logs import as_one
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.state import StateError, StateFolder
from distcheck.agent.tail_files import Listed, LogFiles, PodFiles
from distcheck.agent.tail_read import Read, Reading
from distcheck.agent.tail_stream import Stream

MAX_STREAMS = 576
_RAY = ("raylet", "gcs_server")


class Fetched(Struct):
    """What one look at a pod's logs gave; `full` where its budget was used up."""

    listed: Listed
    reads: dict[str, Read] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    full: bool = False


class TailedPod:
    """Follows the logs of one pod. `fetch` may hang, and touches nothing that others need."""

    def __init__(self, folder: PodFolder, proc: Proc, state: StateFolder) -> None:
        self.folder, self._proc, self._state = folder, proc, state
        self._files = PodFiles(folder)
        self._tasks: tuple[Task, ...] = ()
        self._insides: dict[str, Inside] | None = None
        self._turn = 0
        self.streams: dict[str, Stream] = {}
        self._lost: list[str] = []
        self._listed = Listed([], [])
        self.more, self.trouble = True, "its logs were not read yet"
        self.asked = self.served = 0
        self.hung = 0  # turns for which its look has not ended

    @property
    def waited(self) -> bool:
        """Whether somebody asked who has no answer yet."""
        return self.asked > self.served

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The processes of the pod that matter, as they were seen last."""
        return self._tasks

    def know(self, tasks: Sequence[Task]) -> None:
        """The processes of the pod that matter, as they are now; none says nothing new."""
        found = tuple(sorted(tasks, key=lambda t: t.pid))
        if found and found != self._tasks:
            self._tasks, self._insides = found, None

    def fetch(self, budget: int) -> Fetched:
        """Read on in each log, about `budget` bytes in all.

        Raises:
            OSError: the pod's folder cannot be read.
        """
        if self._insides is None:
            self._insides = _insides(self._proc, self._tasks)
        fetched = Fetched(self._files.find(self._insides))
        logs = fetched.listed.logs[:MAX_STREAMS]
        self._turn += 1
        at = self._turn % max(1, len(logs))
        for log in (*logs[at:], *logs[:at]):
            if budget <= 0:
                fetched.full = True
                break
            budget -= self._fetch_one(log, fetched, budget)
        return fetched

    def _fetch_one(self, log: LogFiles, fetched: Fetched, budget: int) -> int:
        stream = self.streams.get(log.key)
        if stream is None:
            fetched.full = True
            return 0
        try:
            read = Reading(log.segments, stream.place, stream.unzip).read(budget)
        except (OSError, ProbeError) as error:
            fetched.errors[log.key] = f"{log.source} cannot be read: {error}"
            return 0
        fetched.reads[log.key] = read
        return read.size

    def take(self, fetched: Fetched, now: float) -> int:
        """Distil what was fetched; how many bytes that was."""
        self._listed = fetched.listed
        self._follow(fetched.listed)
        for key, read in fetched.reads.items():
            self.streams[key].take(read, now)
        over = len(fetched.listed.logs) - MAX_STREAMS
        many = [f"{self.folder.name}: {over} log files are not read"] if over > 0 else []
        self._lost = [*fetched.listed.lost, *fetched.errors.values(), *many]
        self.more = fetched.full or any(read.left for read in fetched.reads.values())
        self.trouble = ""
        return sum(read.size for read in fetched.reads.values())

    def _follow(self, listed: Listed) -> None:
        """Begin to follow what is new, and forget what is gone."""
        there = {log.key for log in listed.logs}
        for key in [k for k in self.streams if k not in there]:
            if key.partition(":")[0] not in listed.held:
                del self.streams[key]
        for log in listed.logs[:MAX_STREAMS]:
            if log.key not in self.streams:
                self.streams[log.key] = self._begun(log)

    def _begun(self, log: LogFiles) -> Stream:
        stream = Stream(log.source, log.key, inside=log.inside)
        try:
            kept = self._state.load(self.folder.uid, log.key)
            if kept is not None:
                stream.restore(kept)
        except (StateError, msgspec.DecodeError) as error:
            if len(log.segments) > 1:
                said = f"what was kept of it before this agent started is lost: {error}"
                stream.say([f"{log.source}: {said}"])
        return stream

    def shown(self) -> Distilled:
        """All logs of the pod as one, with what is not read of them.

        Raises:
            ProbeError: nothing was read.
        """
        order = {log.key: at for at, log in enumerate(self._listed.logs)}
        streams = sorted(self.streams.values(), key=lambda s: order.get(s.key, len(order)))
        lost = [self.trouble] if self.trouble else []
        lost += [*self._lost, *(gap for s in streams for gap in s.gaps)]
        lost += [_unread(s) for s in streams if s.left]
        parts = [s.shown() for s in streams if s.place is not None]
        return as_one(self.folder, parts, lost, self._listed.marks)

    def save(self) -> None:
        """Keep what has changed since the last time."""
        for stream in self.streams.values():
            if stream.changed and (kept := stream.kept()) is not None:
                self._state.save(self.folder.uid, kept)
                stream.changed = False
        if not self.trouble:
            self._state.forget(self.folder.uid, but=self.streams)


def _unread(stream: Stream) -> str:
    at = 0 if stream.place is None else stream.place.offset
    return f"{stream.source} is read up to byte {at} of {at + stream.left}"


def _insides(proc: Proc, tasks: Iterable[Task]) -> dict[str, Inside]:
    """The containers that these processes run in, by their ids."""
    found: dict[str, list[Task]] = {}
    for task in tasks:
        found.setdefault(task.container_id, []).append(task)
    return {
        container: Inside(
            str(proc.root),
            tuple(t.pid for t in of),
            any(t.title in _RAY or t.title.startswith("ray::") for t in of),
            debug_files(proc, of),
        )
        for container, of in found.items()
    }
