"""The lines by which `ray start` says that it does not get through (Ray 2.3 to 2.60).

Ray logs in three forms: Python's (`2026-11-21 02:59:37,131 INFO scripts.py:1234 -- text`), C++'s
(`[2026-11-21 02:59:42,134 W 818 818] rpc_client.h:153: text`), and bare tracebacks. The words are
matched, wherever they stand.
"""

import re
from collections.abc import Iterable
from typing import Self

from msgspec import Struct, structs

from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence.ray_log import RayLog, RaySaid, RaySaying

_LONGEST = 300
_WINDOW = 4096
_TRACEBACK = 120
"""Lines within which a traceback of `ray start` ends with its exception."""
_VERSIONS = 8
"""Lines that a mismatch of versions takes."""

_PHRASES: tuple[tuple[str, RaySaying], ...] = (
    ("Failed to connect to GCS", "gcs_not_reached"),
    ("Unable to connect to GCS", "gcs_not_reached"),
    ("Timed out while waiting for GCS to become available", "gcs_not_reached"),
    ("Waiting for GCS to be ready", "gcs_not_reached"),
    ("Failed to resolve hostname", "name_unresolved"),
    ("Version mismatch: The cluster was started with", "version_mismatch"),
    ("from GCS. Did GCS start successfully", "kv_unread"),
    ("InvalidAuthToken", "auth_token"),
    ("Authentication token is missing or incorrect", "auth_token"),
    ("Token authentication is enabled but", "auth_token"),
    ("Unable to detect local IP address. Defaulting to", "loopback"),
    ("GCS returned an authentication error", "gcs_restarted"),
    ("GCS consider this node to be dead", "gcs_restarted"),
    ("has mistakenly been marked as", "marked_dead"),
    ("The current node timed out during startup", "start_timed_out"),
    ("The current node has not been updated within", "start_timed_out"),
    ("that is used by other components", "port_taken"),
    ("Some Ray subprocesses exited unexpectedly", "process_exited"),
    ("instead of /dev/shm because /dev/shm has only", "object_store_on_disk"),
    (" exceeds /dev/shm size (", "object_store_too_large"),
)
_IN_START: tuple[tuple[str, RaySaying], ...] = (
    ("socket.gaierror: ", "name_unresolved"),
    ("FileNotFoundError: [Errno 2] No such file or directory: ''", "kv_unread"),
)
"""Exceptions that any program may raise: they count in a traceback of `ray start`."""
_FRAME = "ray/scripts/scripts.py"
_STARTED, _OWN_IP = "Ray runtime started", "Local node IP: "
_SIDES = ("    Ray: ", "    Python: ", "This process on ")
_LASTING = ("loopback", "object_store_on_disk")
"""What a start that got through does not mend."""

_ADDRESS = re.compile(
    r"(?:at address |GCS \(ray head\) at |GCS at (?!address ))(?P<gcs>[^\s,]{1,260}?)[.,]?(?=\s|$)"
    r"|Failed to resolve hostname '(?P<name>[^'\s]{1,260})'"
)
_VERSION = re.compile(r"\s{0,8}(Ray|Python): ([\w.+-]{1,40})\s{0,4}$")
_IP = re.compile(r"Local node IP: ([0-9A-Fa-f.:]{2,45})")
_HEADERS = (" -- ", "] ")


class RayLogState(Struct):
    """What was read so far. `side` of a mismatch is being read up to line `until`.

    `frame` is the line of the last frame of `ray start` in a traceback.
    """

    log: RayLog = RayLog()
    side: str = ""
    until: int = 0
    frame: int = 0


class RayReader:
    """One log's lines of Ray's start; bounded, and total: no line makes it raise."""

    WANTED: tuple[bytes, ...] = tuple(
        dict.fromkeys(
            words.encode()
            for words in (
                *(words for words, _ in (*_PHRASES, *_IN_START)),
                *(_FRAME, _STARTED, _OWN_IP),
                *_SIDES,
            )
        )
    )

    def __init__(self, source: str, state: RayLogState | None = None) -> None:
        self._source = source
        self._state = state or RayLogState()

    @classmethod
    def restored(cls, source: str, state: RayLogState) -> Self:
        """A reader that goes on where the one whose `state` this is left off."""
        return cls(source, state)

    def state(self) -> RayLogState:
        """What was read so far, for `restored`."""
        return structs.replace(self._state)

    def result(self) -> RayLog:
        """Everything that the lines so far show."""
        return self._state.log

    def line(self, number: int, stamp: str | None, text: str) -> None:
        """Take one line without its transport framing; `stamp` is the transport's time."""
        if self._of_versions(number, text):
            return
        if _FRAME in text:
            self._state.frame = number
            return
        found = self._kind(number, text)
        if found is not None:
            self._say(*found, self._place(number), stamp, text)
        elif _STARTED in text:
            self._begin(number, stamp)
        elif own := _IP.search(text):
            self._change(node_ip=own[1])

    def _kind(self, number: int, text: str) -> tuple[str, RaySaying] | None:
        every = _PHRASES
        if self._state.frame and number - self._state.frame <= _TRACEBACK:
            every = (*_PHRASES, *_IN_START)
        return next(((words, kind) for words, kind in every if words in text), None)

    def _place(self, number: int) -> str:
        return f"{self._source}:{number}"

    def _change(self, **parts: object) -> None:
        log = self._state.log
        self._state.log = structs.replace(log, lines=log.lines + 1, **parts)

    def _begin(self, number: int, stamp: str | None) -> None:
        """A start that got through; what it says comes thrice, with lines around it."""
        kept = tuple(s for s in self._state.log.said if s.id in _LASTING)
        self._state.side = ""
        self._change(started=self._place(number), started_at=stamp, said=kept)

    def _say(self, words: str, kind: RaySaying, source: str, stamp: str | None, text: str) -> None:
        log = self._state.log
        before = next((s for s in log.said if s.id == kind), None)
        told = _ADDRESS.search(_around(text, words))
        one = RaySaid(
            kind,
            _says(text, words),
            source,
            1 if before is None else before.count + 1,
            stamp if before is None else before.first_at,
            stamp,
            told["gcs"] or told["name"] if told else before.address if before else "",
        )
        self._change(said=(*(s for s in log.said if s.id != kind), one))
        if kind == "version_mismatch":
            self._state.side, self._state.until = "head", int(source.rpartition(":")[2]) + _VERSIONS

    def _of_versions(self, number: int, text: str) -> bool:
        """Whether the line goes on with a mismatch of versions: which side, or its version."""
        if not self._state.side or number > self._state.until:
            return False
        if text.startswith("This process on "):
            self._state.side = "own"
            return True
        found = _VERSION.match(text)
        if found is None:
            return False
        *others, last = self._state.log.said
        ray, python = getattr(last, self._state.side, ("", ""))
        pair = (found[2], python) if found[1] == "Ray" else (ray, found[2])
        if last.id == "version_mismatch":
            self._change(said=(*others, structs.replace(last, **{self._state.side: pair})))
        return True


def _around(text: str, words: str) -> str:
    at = text.find(words)
    return text[max(at - _LONGEST, 0) : at + _WINDOW]


def _says(text: str, words: str) -> str:
    """From the start of the message on, without the logger's header and without secrets."""
    at = text.find(words)
    before = text[max(at - _LONGEST, 0) : at]
    cut = max((before.rfind(mark) + len(mark) for mark in _HEADERS if mark in before), default=0)
    return scrubbed(before[cut:] + text[at : at + _WINDOW])[:_LONGEST].strip()


def merged(logs: Iterable[RayLog]) -> RayLog:
    """Several files of one pod as one, in their order: a start makes what was before it history."""
    whole = RayLog()
    for log in logs:
        if not log.lines:
            continue
        kept = [s for s in whole.said if log.started is None or s.id in _LASTING]
        kinds = {s.id for s in log.said}
        whole = RayLog(
            lines=whole.lines + log.lines,
            said=(*(s for s in kept if s.id not in kinds), *log.said),
            started=log.started or whole.started,
            started_at=log.started_at if log.started else whole.started_at,
            node_ip=log.node_ip or whole.node_ip,
        )
    return whole
