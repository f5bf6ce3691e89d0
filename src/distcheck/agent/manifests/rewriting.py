"""Mended files: shown as a diff, judged again, and put in the place of the old ones."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from difflib import unified_diff
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from distcheck.agent.manifests.hiding import shown
from distcheck.agent.manifests.lint import Asked, Judged, lint_texts
from distcheck.agent.manifests.mending import why_left
from distcheck.agent.manifests.secrets_in import secrets_in
from distcheck.agent.manifests.source import MOST_BYTES, decoded
from distcheck.agent.replacing import put
from distcheck.checks.manifest.report import PIPED, LintReport

_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


def left(read: Mapping[str, str], told: Judged, asked: Asked) -> dict[str, str]:
    """Files that are not to be mended though they could be, each with the reason."""
    new = told.mended
    found = {n: why for n, text in new.items() if (why := why_left(read[n], text))}
    after = _graves(lint_texts(list({**read, **new}.items()), asked))
    worse = after - _graves(told.report)
    return {f: f"{r} would find more in it than before" for f, r, _ in worse if f in new} | found


def unwritable(told: Judged, piped: bytes | None = None) -> dict[str, str]:
    """Files whose line ends or encoding no mended text can have, with the reason."""
    found = {n: (piped or b"") if n == PIPED else held(n) for n in told.mended}
    new = told.mended
    return {n: MIXED for n, data in found.items() if data and as_written(n, data, new[n]) is None}


def kept(
    read: Mapping[str, str], told: Judged, asked: Asked, piped: bytes | None = None
) -> dict[str, str]:
    """Files that `--fix` does not mend though it could, with the reason: judges all once more."""
    return {**left(read, told, asked), **unwritable(told, piped)} if told.mended else {}


def without(told: Judged, names: Collection[str]) -> Judged:
    """The report, in which nothing of the files `names` is called fixable."""
    if not names:
        return told
    findings = tuple(
        replace(f, fixable=False, edits=()) if f.at.file in names else f
        for f in told.report.findings
    )
    return replace(told, report=replace(told.report, findings=findings))


def _graves(report: LintReport) -> Counter[tuple[str, str, bool]]:
    """How many findings that are no hints each file has, by rule, and apart what is silenced.

    And what is not judged by a bug of ours: a mended file has no more of it.
    """
    found = ((f.at.file, f.id, f.silenced is None) for f in report.findings if f.level != "hint")
    bugs = ((b.file, f"{b.rule} (a bug of distcheck)".strip(), True) for b in report.bugs)
    return Counter(chain(found, bugs))


def diff_of(name: str, old: str, new: str, data: bytes = b"") -> Iterator[str]:
    """Lines of a unified diff, as `patch -p0` and `git apply -p0` take it; secrets are hidden.

    `data` is what the file holds: its line ends and its mark are in the lines of the diff.
    """
    end, mark = "\r" if _windows(data) else "", "\ufeff" if data.startswith(_MARK) else ""
    before, after = secrets_in(name, old), secrets_in(name, new)
    at, then = -1, -1
    for line in unified_diff(_lines(old), _lines(new), *_named(name), lineterm="", n=2):
        if hunk := _HUNK.match(line):
            at, then = int(hunk[1]) - 1, int(hunk[2]) - 1
        elif at >= 0:
            side, number = (after, then) if line[0] == "+" else (before, at)
            first = mark if number == 0 else ""
            at, then = at + (line[0] != "+"), then + (line[0] != "-")
            text = line[1:].removesuffix("\n")
            told = line[0] + first + shown(text, side.get((name, number), ()))
            yield told if line.endswith("\n") else told + end
            if line.endswith("\n"):
                yield "\\ No newline at end of file"
            continue
        yield line


def _named(name: str) -> tuple[str, str]:
    """The name for both sides as git writes it: a tab behind blanks, quotes for what needs them."""
    if any(c in _QUOTED or not c.isprintable() for c in name):
        quoted = "".join(_QUOTED.get(c) or _octal(c) for c in name)
        return f'"{quoted}"', f'"{quoted}"'
    end = "\t" if " " in name else ""
    return name + end, name + end


_QUOTED = {"\t": r"\t", "\n": r"\n", "\r": r"\r", '"': r"\"", "\\": r"\\"}


def _octal(char: str) -> str:
    if char.isprintable():
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode(errors="surrogateescape"))


def _lines(text: str) -> list[str]:
    """A last line without an end is told from one with it, by an end in the line."""
    *lines, last = text.split("\n")
    return [*lines, f"{last}\n"] if last else lines


def rewrite(name: str, old: str, new: str) -> str | None:
    """Put `new` in the place of the file whose text was `old`; the reason where it is not done.

    The old file is there until the new one is whole, with its mode and its line ends.
    """
    path = Path(name).resolve()
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if decoded(name, data) != old:
            return "it has changed since it was read"
        if not path.stat().st_mode & 0o222:
            return "it is write-protected"
        made = as_written(name, data, new)
        if made is None:
            return MIXED
        put(path, made)
    except OSError as error:
        return str(error.strerror)
    return None


MIXED = "its line ends are mixed, or it is no UTF-8"


def as_written(name: str, data: bytes, new: str) -> bytes | None:
    """`new` as what held `data` has it; None where that cannot be told."""
    made = _like(data, new)
    return None if made is None or decoded(name, made) != new else made


def _like(data: bytes, new: str) -> bytes | None:
    """`new` with the line ends and the mark of the old file."""
    mark = _MARK if data.startswith(_MARK) else b""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    windows = _windows(data)
    if b"\r" in data and not windows:
        return None
    return mark + (new.replace("\n", "\r\n") if windows else new).encode()


_MARK = b"\xef\xbb\xbf"


def _windows(data: bytes) -> bool:
    """Whether every line ends with a carriage return, too."""
    many = data.count(b"\r\n")
    return bool(many) and many == data.count(b"\r") == data.count(b"\n")


def held(name: str) -> bytes:
    """What a file holds; nothing where it cannot be read."""
    try:
        with Path(name).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError:
        return b""
