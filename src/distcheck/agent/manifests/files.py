"""From PATH to files: folders are read with all below them, `-` is standard input."""

import os
import sys
from collections.abc import Iterable, Iterator

from distcheck.agent.manifests.source import MOST_BYTES, Problem, decoded
from distcheck.checks.manifest.report import PIPED

STDIN = "-"
_ENDINGS = (".yaml", ".yml", ".json")
_UNSEEN = frozenset({".git", "node_modules", ".venv", "__pycache__", ".terraform"})
MOST_FILES = 20_000


def standard_input() -> bytes | None:
    """As much as is judged, and one byte more; None where there is none."""
    return None if sys.stdin is None else sys.stdin.buffer.read(MOST_BYTES + 1)


def texts(path: str, piped: bytes | None = None) -> Iterator[tuple[str, str] | Problem]:
    """(name, text) of each file that `path` means, in the order of names.

    One file has one name, without `./`: as GitHub takes it, and not judged twice. `piped` is
    what was read from standard input already.
    """
    if path == STDIN:
        data = standard_input() if piped is None else piped
        yield Problem(PIPED, 0, 0, "it is closed") if data is None else _read(PIPED, data)
        return
    path = os.path.normpath(path) if path else path
    if not os.path.isdir(path):
        yield _file(path)
        return
    closed: list[Problem] = []
    for number, name in enumerate(_below(path, closed)):
        if number >= MOST_FILES:
            yield Problem(path, 0, 0, f"more than {MOST_FILES:,} files: the rest was not read")
            return
        yield _file(name)
    yield from closed


def read_all(
    paths: Iterable[str], piped: bytes | None = None
) -> tuple[list[tuple[str, str]], list[Problem]]:
    """(name, text) of all files that `paths` mean, and what could not be read."""
    read: dict[tuple[str, str], None] = {}
    problems: list[Problem] = []
    for path in paths:
        for one in texts(path, piped):
            if isinstance(one, Problem):
                problems.append(one)
            else:
                read[one] = None
    return list(_each_once(read)), problems


def _each_once(read: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """One file under several names, by links, is judged and mended once: not by a link's name."""
    found: dict[object, tuple[str, str]] = {}
    for one in read:
        key = _identity(one[0])
        if key not in found or (os.path.islink(found[key][0]) and not os.path.islink(one[0])):
            found[key] = one
    return found.values()


def _identity(name: str) -> object:
    try:
        known = os.stat(name)
    except (OSError, ValueError):
        return name
    return (known.st_dev, known.st_ino) if name != PIPED else name


def _below(folder: str, closed: list[Problem]) -> Iterator[str]:
    """Manifests by name, never a pipe or a device; folders that cannot be read become `closed`."""

    def note(error: OSError) -> None:
        closed.append(Problem(str(error.filename), 0, 0, error.strerror or str(error)))

    for where, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(f for f in folders if f not in _UNSEEN)
        found = (_join(where, f) for f in sorted(files) if f.endswith(_ENDINGS))
        yield from (p for p in found if os.path.isfile(p) or not os.path.exists(p))


def _join(folder: str, name: str) -> str:
    return os.path.join(folder, name).removeprefix("./")


def folder_of(name: str) -> str:
    """Where the file `name` lies."""
    return os.path.normpath(os.path.dirname(name))


def _file(name: str) -> tuple[str, str] | Problem:
    name = os.path.join(".", name) if name == PIPED else name
    try:
        with open(name, "rb") as file:
            return _read(name, file.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        return Problem(name or "''", 0, 0, getattr(error, "strerror", None) or str(error))


def _read(name: str, data: bytes) -> tuple[str, str] | Problem:
    text = decoded(name, data)
    return text if isinstance(text, Problem) else (name, text)
