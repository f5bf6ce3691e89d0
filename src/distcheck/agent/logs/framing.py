"""Bytes of any log to lines without what container runtimes and terminals put around them.

CRI (`<RFC 3339> stdout F text`, with `P` for a part that goes on), Docker's json-file, the JSON
of log collectors, `kubectl logs --timestamps`, ANSI colours and carriage returns. Total: any
bytes go in.
"""

import re

import msgspec

LONGEST_LINE = 64 * 1024
"""Bytes kept of one line, joined parts included; a line that is longer is cut."""

DOCKER_PART = 16 * 1024
"""Docker's json-file cuts a line into parts of this size; only the last ends with a newline."""

_STREAMS = ("stdout", "stderr")
_STAMPED = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:?\d\d)) ?"
    rb"(?:(stdout|stderr) ([PF])(?::\S*)? )?"
)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


class _JsonLine(msgspec.Struct):
    """A line in JSON: by Docker (`log`, with its newline), or by a collector, in other words."""

    log: str | None = None
    message: str | None = None
    msg: str | None = None
    textPayload: str | None = None  # noqa: N815 - the collector's name
    line: str | None = None
    stream: str = ""
    time: str | None = None

    @property
    def text(self) -> str | None:
        """What the program wrote."""
        every = (self.log, self.message, self.msg, self.textPayload, self.line)
        return next((text for text in every if text is not None), None)


_JSON = msgspec.json.Decoder(_JsonLine)


class Frame(msgspec.Struct, frozen=True):
    """One framed line: its time (RFC 3339), stream, payload, and whether more follows."""

    stamp: str | None
    stream: str
    payload: bytes
    partial: bool = False


def unframe(raw: bytes) -> Frame:
    """The frame of one line of a log file, its newline not included."""
    if raw.startswith(b"{"):
        inner = _in_json(raw)
        if inner is not None:
            return inner
    found = _STAMPED.match(raw)
    if found is None:
        return Frame(None, "", raw)
    stream = (found[2] or b"").decode()
    return Frame(found[1].decode(), stream, raw[found.end() :], found[3] == b"P")


def _in_json(raw: bytes) -> Frame | None:
    try:
        line = _JSON.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if line.text is None:
        return None
    payload = line.text.encode(errors="replace")
    part = len(payload) >= DOCKER_PART and not payload.endswith(b"\n")
    return Frame(line.time, line.stream, payload, part)


class Framing:
    """Joins parts of long lines, per stream; `pending` while one is open.

    `parts` holds, for each stream, what was read of a line whose end has not come; `lost`
    counts lines with NCCL's name in what was cut of them.
    """

    def __init__(self, parts: dict[str, bytes] | None = None) -> None:
        self.parts: dict[str, bytes] = parts or {}
        self.lost = 0

    @property
    def pending(self) -> bool:
        """A part has been read whose end has not."""
        return bool(self.parts)

    def push(self, raw: bytes) -> list[tuple[str | None, str]]:
        """`(stamp, text)` of every line that this raw line completes: none, one or more."""
        frame = unframe(raw)
        stream = frame.stream if frame.stream in _STREAMS else ""
        joined = self.parts.pop(stream, b"") + frame.payload
        whole = joined[:LONGEST_LINE]
        if len(joined) > LONGEST_LINE:
            self.lost += b"NCCL" in joined[LONGEST_LINE:]
        if frame.partial:
            self.parts[stream] = whole
            return []
        return [(frame.stamp, text) for text in texts(whole)]

    def flush(self) -> list[tuple[str | None, str]]:
        """What was left of lines whose end never came."""
        rest, self.parts = list(self.parts.values()), {}
        return [(None, text) for whole in rest for text in texts(whole)]


def texts(payload: bytes) -> list[str]:
    """The texts in one payload: split at carriage returns, without terminal colours."""
    text = payload.decode(errors="replace")
    if "\x1b" in text:
        text = _ANSI.sub("", text)
    if "\r" not in text and "\n" not in text:
        return [text]
    return [part for part in re.split(r"[\r\n]+", text) if part]
