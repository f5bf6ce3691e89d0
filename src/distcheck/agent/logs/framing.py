"""Bytes of any log to lines without what container runtimes and terminals put around them.

CRI (`<RFC 3339> stdout F text`, with `P` for a part that goes on), Docker's json-file,
`kubectl logs --timestamps`, ANSI colours and carriage returns. Total: any bytes go in.
"""

import re

import msgspec

LONGEST_LINE = 64 * 1024
"""Bytes kept of one line, joined parts included; a line that is longer is cut."""

_STAMPED = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:?\d\d)) "
    rb"(?:(stdout|stderr) ([PF])(?::\S*)? )?"
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


class _DockerLine(msgspec.Struct):
    log: str
    stream: str = ""
    time: str | None = None


_DOCKER = msgspec.json.Decoder(_DockerLine)


class Frame(msgspec.Struct, frozen=True):
    """One framed line: its time (RFC 3339), stream, payload, and whether more follows."""

    stamp: str | None
    stream: str
    payload: bytes
    partial: bool = False


def unframe(raw: bytes) -> Frame:
    """The frame of one line of a log file, its newline not included."""
    if raw.startswith(b'{"'):
        docker = _docker(raw)
        if docker is not None:
            return docker
    found = _STAMPED.match(raw)
    if found is None:
        return Frame(None, "", raw)
    stream = (found[2] or b"").decode()
    return Frame(found[1].decode(), stream, raw[found.end() :], found[3] == b"P")


def _docker(raw: bytes) -> Frame | None:
    try:
        line = _DOCKER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    payload = line.log.encode(errors="replace")
    return Frame(line.time, line.stream, payload, not payload.endswith(b"\n"))


class Framing:
    """Joins parts of long lines, per stream; `pending` while one is open."""

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}

    @property
    def pending(self) -> bool:
        """A part has been read whose end has not."""
        return bool(self._parts)

    def push(self, raw: bytes) -> list[tuple[str | None, str]]:
        """`(stamp, text)` of every line that this raw line completes: none, one or more."""
        frame = unframe(raw)
        whole = (self._parts.pop(frame.stream, b"") + frame.payload)[:LONGEST_LINE]
        if frame.partial:
            self._parts[frame.stream] = whole
            return []
        return [(frame.stamp, text) for text in texts(whole)]

    def flush(self) -> list[tuple[str | None, str]]:
        """What was left of lines whose end never came."""
        rest, self._parts = list(self._parts.values()), {}
        return [(None, text) for whole in rest for text in texts(whole)]


def texts(payload: bytes) -> list[str]:
    """The texts in one payload: split at carriage returns, without terminal colours."""
    text = payload.decode(errors="replace")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\r" not in text and "\n" not in text:
        return [text]
    return [part for part in re.split(r"[\r\n]+", text) if part]
