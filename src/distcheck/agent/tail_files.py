"""Which log files a pod has: the kubelet's, and those inside its containers.

Folders are listed again only when they have changed.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from msgspec import Struct, field

from distcheck.agent.inside_logs import Inside, InsideLogs
from distcheck.agent.probes import podlogs
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.tail_place import Segment
from distcheck.checks.evidence.nccl import Mark

T = TypeVar("T")
_SETTLED = 2_000_000_000
"""Nanoseconds after which a folder's time of change can be trusted to change again."""


class LogFiles(Struct, frozen=True):
    """One log: by what it is cited, by what it is kept, and its files, oldest first.

    `inside`: a process wrote it itself, and begins it anew each time that it starts.
    """

    source: str
    key: str
    segments: tuple[Segment, ...]
    inside: bool = False


class Listed(Struct):
    """All logs of a pod; what of it cannot be seen; what was left out, as notes.

    `held` are ids of containers of which more logs may be there than can be seen now.
    """

    logs: list[LogFiles]
    lost: list[str]
    marks: list[Mark] = field(default_factory=list)
    held: set[str] = field(default_factory=set)


class PodFiles:
    """The logs of one pod, looked for again and again by one thread at a time."""

    def __init__(self, pod: PodFolder) -> None:
        self._pod = pod
        self._containers = Remembered(pod.path, lambda: podlogs.container_folders(pod))
        self._files: dict[Path, Remembered[tuple[list[Segment], bool]]] = {}
        self._inside: dict[str, InsideLogs] = {}

    def find(self, insides: dict[str, Inside]) -> Listed:
        """The logs that the pod has now; `insides` are its containers by their ids.

        Raises:
            OSError: the pod's folder cannot be read.
        """
        listed = Listed([], [])
        folders = self._containers.now()
        self._files = {f: self._files.get(f) or Remembered(f, partial(_listed, f)) for f in folders}
        for folder, remembered in self._files.items():
            self._of_container(folder, remembered, listed)
        self._inside = {i: self._inside.get(i) or InsideLogs() for i in insides}
        for container_id, logs in self._inside.items():
            self._of_inside(container_id, logs, insides[container_id], listed)
        return listed

    def _of_container(
        self, folder: Path, remembered: "Remembered[tuple[list[Segment], bool]]", listed: Listed
    ) -> None:
        source = f"{self._pod.name}:{folder.name}"
        try:
            known, whole = remembered.now()
        except (OSError, ProbeError) as error:
            listed.lost.append(f"{source} cannot be read: {error}")
            return
        if not whole:
            listed.lost.append(f"{source} holds too many files: some are not seen")
        last = _segment(folder / known[-1].name) if known else None
        segments = [*known[:-1], last] if last else known[:-1]
        if segments:
            current = f"{podlogs.restart_of(Path(segments[-1].name))}.log"
            key = f"{folder.name}/{current}"
            listed.logs.append(LogFiles(f"{source}/{current}", key, tuple(segments)))

    def _of_inside(
        self, container_id: str, logs: InsideLogs, inside: Inside, listed: Listed
    ) -> None:
        found = logs.find(inside, self._pod.name)
        listed.lost += found.lost
        listed.marks += found.marks
        listed.held |= set() if found.whole else {container_id}
        for path, segments in found.files.items():
            key = f"{container_id}:{path}"
            listed.logs.append(LogFiles(f"{self._pod.name}:{path}", key, tuple(segments), True))


class Remembered(Generic[T]):
    """What a folder showed, until the folder changes."""

    def __init__(self, folder: Path, look: Callable[[], T]) -> None:
        self._folder, self._look = folder, look
        self._seen: T | None = None
        self._changed = -1

    def now(self) -> T:
        """What it shows now.

        Raises:
            OSError: it cannot be read.
        """
        changed = self._folder.stat().st_mtime_ns
        if self._seen is None or changed != self._changed:
            settled = time.time_ns() - changed > _SETTLED
            self._seen, self._changed = self._look(), changed if settled else -1
        return self._seen


def _listed(folder: Path) -> tuple[list[Segment], bool]:
    files, whole = podlogs.latest_files(folder)
    return [s for f in files if (s := _segment(f)) is not None], whole


def _segment(path: Path) -> Segment | None:
    """A file of the node; None where it has gone meanwhile."""
    try:
        return Segment(path.name, path.stat(), partial(_opened, path))
    except FileNotFoundError:
        return None


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    with podlogs.opened(path) as file:
        yield file.fileno()
