"""Log files inside a container: those of Ray's workers, and those that NCCL was told to write."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from msgspec import Struct, field

from distcheck.agent.debug_file import MAX_FORMS, DebugFile
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.ray_session import SESSION, Session, session_of
from distcheck.agent.tail_place import Segment
from distcheck.checks.evidence.nccl import Mark
from distcheck.checks.knowledge.nccl_failures import EARLIER_JOBS

_PERIOD = 30.0
_MAX_FILES = 512


class Inside(Struct, frozen=True):
    """A container that is looked into, through any of its processes `pids`."""

    proc: str
    pids: tuple[int, ...]
    ray: bool
    debug: tuple[DebugFile, ...] = ()


class Found(Struct):
    """Files by path, each with the one that it was renamed to when it grew too large.

    Without `whole`, some that were found before may still be there.
    """

    files: dict[str, list[Segment]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    whole: bool = True


class InsideLogs:
    """The logs inside one container; which there are is looked for every 30 s."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._until = clock, -1.0
        self._session = Session(())
        self._paths: list[str] = []
        self._lost: list[str] = []

    def find(self, inside: Inside, pod: str) -> Found:
        """The files that are there now; what cannot be seen is in `lost`."""
        container = _entered(inside)
        if container is None:
            gone = f"{pod}: no process is left through which logs inside its container can be read"
            return Found(lost=[gone] * bool(inside.ray or inside.debug), whole=False)
        if self._clock() >= self._until:
            self._look(container, inside)
            self._until = self._clock() + _PERIOD
        found = Found(lost=[f"{pod}:{said}" for said in self._lost], whole=not self._lost)
        for folder, names in _by_folder(self._paths).items():
            _add(found, container, folder, names)
        said = self._session.left_out
        if said is not None:
            found.marks.append(Mark(EARLIER_JOBS, said, pod, f"{pod}:{SESSION}"))
        return found

    def _look(self, container: Container, inside: Inside) -> None:
        self._lost = []
        if inside.ray:
            try:
                self._session = session_of(container)
                self._lost += self._session.lost
            except (OSError, ProbeError) as error:
                self._lost.append(f"{SESSION} cannot be read: {words(error)}")
        named = every_debug_path(container, inside.debug, self._lost)
        self._paths = list(dict.fromkeys((*self._session.paths, *named)))


def every_debug_path(
    container: Container, debug: Sequence[DebugFile], lost: list[str]
) -> list[str]:
    """The files of all these forms, of eight at most; what is not seen is added to `lost`."""
    if len(debug) > MAX_FORMS:
        lost.append(f"NCCL_DEBUG_FILE has {len(debug)} forms: files of {MAX_FORMS} are looked for")
    return [p for one in debug[:MAX_FORMS] for p in debug_paths(container, one, lost)]


def debug_paths(container: Container, one: DebugFile, lost: list[str]) -> list[str]:
    """The files of that form, at most 512; what cannot be seen is added to `lost`."""
    try:
        names, whole = container.named(one.folder, one.matches)
    except (OSError, ProbeError) as error:
        lost.append(f"{one.folder} (NCCL_DEBUG_FILE) cannot be read: {words(error)}")
        return []
    if not whole or len(names) > _MAX_FILES:
        lost.append(f"{one.folder} holds too many files: some that NCCL wrote are not seen")
    return [f"{one.folder.rstrip('/')}/{name}" for name in names[:_MAX_FILES]]


def words(error: OSError | ProbeError) -> str:
    """An error without the path that it names."""
    return getattr(error, "strerror", None) or str(error)


def _entered(inside: Inside) -> Container | None:
    """The container through the first process that is still there."""
    for pid in inside.pids:
        if os.path.lexists(f"{inside.proc}/{pid}"):
            return Container(inside.proc, pid)
    return None


def _by_folder(paths: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        found.setdefault(folder, []).append(name)
    return found


def _add(found: Found, container: Container, folder: str, names: list[str]) -> None:
    """Each file with its `.1`: Ray renames a worker's log so when it has grown too large."""
    try:
        stats = container.stats(folder, [n for name in names for n in (f"{name}.1", name)])
    except (OSError, ProbeError) as error:
        found.lost.append(f"{folder} cannot be read: {words(error)}")
        found.whole = False
        return
    for name in names:
        path = f"{folder.rstrip('/')}/{name}"
        found.files[path] = [
            Segment(n, stats[n], partial(container.opened_log, f"{folder}/{n}"))
            for n in (f"{name}.1", name)
            if n in stats
        ]
