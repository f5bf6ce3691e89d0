"""Mended files: shown as a diff, judged again, and put in the place of the old ones."""

import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path

import msgspec

from distcheck.agent.manifests.files import texts
from distcheck.agent.manifests.hiding import shown
from distcheck.agent.manifests.lint import Asked, lint_texts, secrets_in
from distcheck.agent.manifests.mending import mended
from distcheck.agent.manifests.source import MOST_BYTES, Problem, decoded
from distcheck.agent.manifests.yaml_tree import chunks

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def mends_of(paths: Sequence[str], asked: Asked) -> dict[str, tuple[str, str]]:
    """By file, its text and the mended one; where mending makes a new finding, it is left."""
    read = dict(t for p in paths for t in texts(p) if not isinstance(t, Problem))
    new = mended(list(read.items()), asked)
    before, after = _graves(read, asked), _graves({**read, **new}, asked)
    worse = {file for file, _ in after - before}
    return {name: (read[name], text) for name, text in new.items() if name not in worse}


def _graves(read: Mapping[str, str], asked: Asked) -> Counter[tuple[str, str]]:
    """How many findings that are no hints each file has, by rule."""
    report = lint_texts(list(read.items()), asked)
    return Counter((f.at.file, f.id) for f in report.findings if f.level != "hint")


def why_left(old: str, new: str) -> str | None:
    """Why a file whose text is `old` is not to become `new`; None where it may."""
    pairs = zip(chunks(old), chunks(new), strict=False)
    if any(_is_json(one) and not _is_json(other) for (_, one), (_, other) in pairs):
        return "it is JSON, and what is missing can only be added to YAML"
    return None


def _is_json(text: str) -> bool:
    lines = (x for x in text.split("\n") if not x.startswith(("#", "---", "...", "%")))
    try:
        msgspec.json.decode("\n".join(lines))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


def diff_of(name: str, old: str, new: str) -> Iterator[str]:
    """Lines of a unified diff, as `patch -p0` and `git apply -p0` take it; secrets are hidden."""
    before, after = secrets_in(name, old), secrets_in(name, new)
    at, then = -1, -1
    for line in unified_diff(old.split("\n"), new.split("\n"), name, name, lineterm="", n=2):
        if hunk := _HUNK.match(line):
            at, then = int(hunk[1]) - 1, int(hunk[2]) - 1
        elif at >= 0:
            side, number = (after, then) if line[0] == "+" else (before, at)
            at, then = at + (line[0] != "+"), then + (line[0] != "-")
            yield line[0] + shown(line[1:], side.get((name, number), ()))
            continue
        yield line


def rewrite(name: str, old: str, new: str) -> str | None:
    """Put `new` in the place of the file whose text was `old`; the reason where it is not done.

    The old file is there until the new one is whole, with its mode and its line ends.
    """
    path = Path(name).resolve()
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if decoded(name, data) != (old):
            return "it has changed since it was read"
        made = _like(data, new)
        if made is None or decoded(name, made) != new:
            return "its line ends are mixed, or it is no UTF-8"
        _replace(path, made)
    except OSError as error:
        return str(error.strerror)
    return None


def _like(data: bytes, new: str) -> bytes | None:
    """`new` with the line ends and the mark of the old file."""
    mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    windows = data.count(b"\r\n")
    if data.count(b"\r") != windows or windows not in (0, data.count(b"\n")):
        return None
    return mark + (new.replace("\n", "\r\n") if windows else new).encode()


def _replace(path: Path, data: bytes) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(made).chmod(stat.S_IMODE(path.stat().st_mode))
        Path(made).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(made).unlink()
        raise
