"""The log of a container, cut as PodLogOptions ask."""

import re
from datetime import UTC, datetime, timedelta

from distcheck.lab.apiserver.ask import Ask

_CRI = re.compile(rb"(?P<at>\S+Z|\S+[+-]\d\d:\d\d) (?:stdout|stderr) (?P<tag>[PF])(?::\S*)? ")
Line = tuple[bytes, bytes]


def served_log(raw: bytes, ask: Ask) -> bytes:
    """`raw` as the API serves it: without CRI framing, and only what was asked for.

    `raw` is a log file as the kubelet keeps it (`TIME stdout F text`). A line in another
    form is served as it stands and has no time, so no limit on time hides it.

    Raises:
        ValueError: an option that is no number or no time.
    """
    lines = _joined(raw)
    if since := _since(ask):
        lines = [line for line in lines if not line[0] or _moment(line[0]) >= since]
    if tail := ask.value("tailLines"):
        lines = lines[len(lines) - min(int(tail), len(lines)) :]
    body = b"".join(_render(line, stamped=ask.flag("timestamps")) for line in lines)
    limit = ask.value("limitBytes")
    return body[: int(limit)] if limit else body


def _joined(raw: bytes) -> list[Line]:
    """Lines with their times; parts of a long line (tag P) are put together again."""
    lines: list[Line] = []
    open_at, open_text = b"", b""
    for piece in raw.splitlines(keepends=True):
        at, partial, text = _unframed(piece)
        open_at = open_at or at
        open_text += text.rstrip(b"\n") if partial else text
        if not partial:
            lines.append((open_at, open_text))
            open_at, open_text = b"", b""
    return [*lines, (open_at, open_text)] if open_text else lines


def _unframed(piece: bytes) -> tuple[bytes, bool, bytes]:
    m = _CRI.match(piece)
    return (m["at"], m["tag"] == b"P", piece[m.end() :]) if m else (b"", False, piece)


def _render(line: Line, *, stamped: bool) -> bytes:
    at, text = line
    return at + b" " + text if stamped and at else text


def _since(ask: Ask) -> datetime | None:
    if at := ask.value("sinceTime"):
        return datetime.fromisoformat(at)
    if seconds := ask.value("sinceSeconds"):
        return datetime.now(UTC) - timedelta(seconds=int(seconds))
    return None


def _moment(stamp: bytes) -> datetime:
    """A CRI time; Python keeps microseconds of its nanoseconds."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", stamp.decode("ascii", "replace")))
