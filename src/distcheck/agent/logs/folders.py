"""Which log files a folder holds, as `distcheck logs FOLDER` reads them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

MAX_FILES = 512
MAX_ENTRIES = 65_536
_LOG = re.compile(r"(?P<stem>.*)\.(?:log|out|err)(?P<rotated>\.[\w.:-]{1,64})?\Z", re.DOTALL)
_RESTART = re.compile(r"\d{1,9}\Z")
_POD = re.compile(r"[^_]{1,63}_[^_]{1,253}_[0-9a-f-]{4,64}\Z")
_PACKED = (".xz", ".zst", ".bz2", ".zip", ".lz4", ".7z", ".tgz", ".tar")
_UNFINISHED = (".tmp", ".swp")
_NAMED = 4


def printable(name: str) -> str:
    """A file's name as text: one that is not UTF-8 with its odd bytes written out."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


class Folder(Struct, frozen=True):
    """`files` in the order to read them, and in words what else was there."""

    files: tuple[str, ...]
    skipped: tuple[str, ...]


def log_files(root: str) -> Folder:
    """Log files below `root`, by their names: `*.log`, `*.log.gz`, `0.log.<time>`, `*.out`.

    Links to files are followed, links to folders not. Of one container's starts, which the
    kubelet numbers, the latest is taken. At most `MAX_FILES`.

    Raises:
        OSError: the folder itself cannot be read.
    """
    os.scandir(root).close()
    lost: list[str] = []
    seen = [p for _, p in zip(range(MAX_ENTRIES), _walked(root, lost), strict=False)]
    logs = [p for p in seen if _is_log(p)]
    others = [p.name for p in seen if not _is_log(p)]
    once = _once(logs)
    latest = _latest(once)
    past = [str(p.relative_to(root)) for p in once if p not in set(latest)]
    files = sorted(latest, key=_age)
    skipped = [
        *_counted(others, "not a log by its name", "not logs by their names"),
        *_counted(past, "of a container's earlier start", "of containers' earlier starts"),
    ]
    if len(files) > MAX_FILES:
        skipped.append(f"{len(files) - MAX_FILES} log files after the first {MAX_FILES}")
    if len(seen) == MAX_ENTRIES:
        skipped.append(f"what comes after the first {MAX_ENTRIES} files")
    return Folder(tuple(str(p) for p in files[:MAX_FILES]), (*skipped, *lost))


def _walked(root: str, lost: list[str]) -> Iterator[Path]:
    """Regular files; what cannot be looked into is said in `lost`."""

    def below(path: str | Path) -> str:
        return printable(os.path.relpath(path, root))

    def on_error(error: OSError) -> None:
        lost.append(f"{below(error.filename)}: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=on_error):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():
                yield path
            else:
                lost.append(f"{below(path)}: not a regular file")


def _is_log(path: Path) -> bool:
    found = _LOG.match(path.name) or path.suffix == ".gz"
    return bool(found) and path.suffix not in (*_UNFINISHED, *_PACKED)


def _once(files: list[Path]) -> list[Path]:
    """Each file once, however many links lead to it."""
    known: dict[tuple[int, int], Path] = {}
    for path in files:
        seen = path.stat()
        known.setdefault((seen.st_dev, seen.st_ino), path)
    return list(known.values())


def _latest(files: list[Path]) -> list[Path]:
    """Without the earlier starts of containers: they tell of processes that are gone."""
    newest: dict[Path, int] = {}
    for path in files:
        newest[path.parent] = max(newest.get(path.parent, -1), _restart(path))
    return [p for p in files if _restart(p) in (-1, newest[p.parent])]


def _restart(path: Path) -> int:
    """The kubelet's number of a container's start; -1 for a file that is named otherwise.

    Only below `<namespace>_<pod>_<uid>/<container>/`: elsewhere `0.log` may be that of rank 0.
    """
    found = _LOG.match(path.name) if _POD.match(path.parent.parent.name) else None
    return int(found["stem"]) if found and _RESTART.match(found["stem"]) else -1


def _age(path: Path) -> tuple[Path, str, bool, str]:
    """By folder and stem; rotated files sort by time, and the current one is the youngest."""
    found = _LOG.match(path.name)
    if found is None:
        return path.parent, path.name, True, ""
    rotated = (found["rotated"] or "").removesuffix(".gz")
    return path.parent, found["stem"], not rotated, rotated


def _counted(names: list[str], one: str, many: str) -> Iterator[str]:
    if names:
        shown = ", ".join(map(printable, names[:_NAMED])) + (", ..." if len(names) > _NAMED else "")
        what = f"1 file {one}" if len(names) == 1 else f"{len(names)} files {many}"
        yield f"{what}: {shown}"
