"""From PATH to files: folders are read with all below them, `-` is standard input."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from distcheck.agent.manifests.source import MOST_BYTES, Problem, decoded

STDIN = "-"
_ENDINGS = (".yaml", ".yml", ".json")
_UNSEEN = frozenset({".git", "node_modules", ".venv", "__pycache__", ".terraform"})
MOST_FILES = 20_000


def texts(path: str) -> Iterator[tuple[str, str] | Problem]:
    """(name, text) of each file that `path` means, in the order of names."""
    if path == STDIN:
        yield _read("standard input", sys.stdin.buffer.read(MOST_BYTES + 1))
        return
    if not Path(path).is_dir():
        yield _file(path)
        return
    closed: list[Problem] = []
    for number, name in enumerate(_below(path, closed)):
        if number >= MOST_FILES:
            yield Problem(path, 0, 0, f"more than {MOST_FILES:,} files: the rest was not read")
            return
        yield _file(name)
    yield from closed


def _below(folder: str, closed: list[Problem]) -> Iterator[str]:
    """Manifests by name, never a pipe or a device; folders that cannot be read become `closed`."""

    def note(error: OSError) -> None:
        closed.append(Problem(str(error.filename), 0, 0, error.strerror or str(error)))

    for where, folders, files in os.walk(folder, onerror=note):
        folders[:] = sorted(f for f in folders if f not in _UNSEEN)
        found = (Path(where, f) for f in sorted(files) if f.endswith(_ENDINGS))
        yield from (str(p) for p in found if p.is_file() or not p.exists())


def _file(name: str) -> tuple[str, str] | Problem:
    try:
        with Path(name).open("rb") as file:
            return _read(name, file.read(MOST_BYTES + 1))
    except (OSError, ValueError) as error:
        return Problem(name, 0, 0, getattr(error, "strerror", None) or str(error))


def _read(name: str, data: bytes) -> tuple[str, str] | Problem:
    text = decoded(name, data)
    return text if isinstance(text, Problem) else (name, text)
