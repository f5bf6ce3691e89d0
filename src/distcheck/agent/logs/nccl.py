"""Reads NCCL's messages out of log lines."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from distcheck.agent.logs import nccl_grammar as grammar
from distcheck.agent.logs.nccl_channels import Link, parse_link
from distcheck.agent.logs.nccl_comms import Where
from distcheck.agent.logs.nccl_processes import Thread
from distcheck.agent.logs.nccl_quick import INFO, Counted, Quick, head_words
from distcheck.agent.logs.nccl_state import NcclState
from distcheck.agent.logs.nccl_takers import SAME, TAKERS, Here
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.knowledge.nccl_merge import merge

__all__ = ["NcclReader", "NcclState", "merge"]

_MARKER = " NCCL "
_CHANNEL = ("Channel ", "CollNet ")
_DULL = ("Channel ", "Trees ")
_FORMS = {form.kind: form for form in grammar.FORMS}
_OF_COMM = tuple(_FORMS[kind] for kind in ("init", "nodes", "closed"))
_DIRECT = (
    (("comm 0x", "ncclComm", "[Rank "), _OF_COMM),
    (("Connected all ", "Connected NVLS "), (_FORMS["connected"],)),
    (("Using network ",), (_FORMS["network"],)),
)
"""Frequent messages that say one thing each: by their first words, the forms to try."""
_CALLERS = (
    *(b"Last error:", b"Bus error", b"RCCL version", b"nccl=="),
    *(b"ncclSystemError", b"ncclRemoteError", b"ncclInternalError", b"ncclUnhandledCudaError"),
    *(b"ncclInvalidUsage", b"ncclInvalidArgument", b"NVRM: Xid", b"uncorrectable ECC"),
)
_HEAD = 512


class _Last(NamedTuple):
    """The message just read, from which its like is known.

    It is of a link, shows nothing (`dull`), or nothing new when the same process writes it again.
    """

    thread: Thread
    message: str
    start: int
    link: Link | None
    dull: bool


class NcclReader:
    """One log's NCCL lines, in order; bounded, and total: no line makes it raise.

    Lines whose like was read before go the short way (`quick`), all others the long one
    (`line`, then `learn`).
    """

    WANTED: tuple[bytes, ...] = (b"NCCL", *_CALLERS)
    """What lines must hold one of: NCCL's name, or the words of its callers without it."""

    def __init__(self, source: str, state: NcclState | None = None) -> None:
        self._source, self._number = source, 0
        self._stamp: str | None = None
        self._state = state or NcclState()
        self._quick = Quick()
        self._last: _Last | None = None

    @property
    def wants_next(self) -> bool:
        """The next line is to be given too, whatever it holds."""
        return self._state.wants_next

    def quick(
        self, lines: Sequence[bytes], at: int, stop: int, numbers: Sequence[int], *, every: bool
    ) -> int:
        """Count raw lines whose like is known; the place of the first that `line` must have.

        `numbers` are those of `lines` in the log. With `every`, lines without `NCCL` are
        passed over. Give it no part of a line (CRI's `P`).
        """
        return self._quick.take(lines, at, stop, numbers, every=every)

    def line(self, number: int, stamp: str | None, text: str) -> None:
        """Read one unframed line; `number` counts from 1, `stamp` is RFC 3339 or None."""
        state = self._state
        carried, state.wants_next = state.wants_next, False
        self._number, self._stamp, self._last = number, stamp, None
        at, times = text.find(_MARKER), 1
        if at >= 0:
            tail, times = grammar.unfold(text[at:])
            text = text[:at] + tail
            state.folded += times - 1
        if at >= 0 and text.find(_MARKER, at + 5) < 0:
            found = grammar.HEAD.match(text[_two_words(text, at) : at])
            found = found or grammar.HEAD.search(text[max(0, at - _HEAD) : at])
            thread = found and state.processes.at(found, self._cite(), text)
            if thread:
                self._message(thread, text[at + len(_MARKER) :], alone=times == 1)
                return
        if at < 0 or not self._several(text):
            self._bare(text, carried=carried)

    def learn(self, raw: bytes) -> None:
        """After `line` has read `raw`: know such lines by their bytes from now on."""
        last, self._last = self._last, None
        if last is None or raw.startswith(b"{"):
            return
        head, _, message = raw.partition(INFO)
        plain = message == last.message.encode() and b"NCCL" not in head
        if plain and self._knows(head_words(head), last.thread):
            self._learn(last, message)

    def _knows(self, words: bytes, thread: Thread) -> bool:
        """Whether these words before `NCCL INFO` name the thread; from now on they do."""
        if self._quick.knows(words):
            return True
        found = grammar.HEAD.search(words.decode(errors="replace"))
        if not found or (found["host"], int(found["pid"]), found["tid"]) != thread.whole:
            return False
        self._quick.know_head(words, thread)
        return True

    def _learn(self, last: _Last, message: bytes) -> None:
        if self._quick.full:
            self._count(self._quick.flush())
        if last.link is not None:
            self._quick.know_link(message, last.start, last.link)
        elif last.dull:
            self._quick.know_dull(message)
        else:
            self._quick.know_still(message, last.thread)

    def _cite(self) -> str:
        return f"{self._source}:{self._number}"

    def _several(self, text: str) -> bool:
        """Two messages or more in one line; False if not even one is there."""
        found = list(grammar.MESSAGE.finditer(text))
        ends = [*(m.start() for m in found[1:]), len(text)]
        for here, end in zip(found, ends, strict=bool(found)):
            thread = self._state.processes.at(here, self._cite(), text)
            if thread is not None:
                self._message(thread, text[here.start("level") : end], alone=False)
        return bool(found)

    def _message(self, thread: Thread, rest: str, *, alone: bool) -> None:
        """One message: what follows `NCCL ` in it, level first; `alone` in its line."""
        here = Here(self._state, thread, self._cite(), self._stamp)
        self._state.lines += 1
        here.process.lines += 1
        level, _, message = rest.partition(" ")
        if level == "INFO":
            self._state.info = True
            last = self._info(here, message)
            self._last = last if alone else None
        elif level == "WARN":
            self._warn(here, message)

    def _warn(self, here: Here, message: str) -> None:
        self._state.notes.mark(message, here.thread.host, here.source)
        ended = self._state.comms.all_closed(here.thread.key)
        self._state.failures.warned(message, here.where, self._number, after_end=ended)

    def _info(self, here: Here, message: str) -> _Last | None:
        """Take the facts of a message; what its like would show, None where each must be read."""
        prefix = grammar.SOURCE_PREFIX.match(message)
        start = 0 if prefix is None else prefix.end()
        text = message[start:]
        if text.startswith(_CHANNEL) and " via " in text:
            link = self._channel(here, text)
            return _Last(here.thread, message, start, link, dull=False) if link else None
        if text.startswith(_DULL):
            return None
        direct = next((forms for words, forms in _DIRECT if text.startswith(words)), None)
        if direct is None:
            return self._note(here, message, text)
        if " nNodes " not in text:
            self._count(self._quick.flush_process(here.thread))
        _take(here, text, direct)
        return None

    def _note(self, here: Here, message: str, text: str) -> _Last | None:
        self._state.notes.mark(text, here.thread.host, here.source)
        if "Proceeding without NVLS" in text:
            self._state.failures.forgiven("nvls", here.thread.key)
            return None
        if here.process.again:
            self._count(self._quick.flush())
        kinds = _take(here, text, grammar.FORMS)
        if "version" in kinds:
            self._quick.forget(here.thread)
        if kinds - SAME:
            return None
        return _Last(here.thread, message, 0, None, dull=not kinds and not _marked(text))

    def _channel(self, here: Here, text: str) -> Link | None:
        here.process.busy = True
        link = parse_link(text)
        if link is None:
            self._state.sheared += 1
        else:
            self._add(here.thread, link, self._number)
        return link

    def _bare(self, text: str, *, carried: bool) -> None:
        """A line without a NCCL head: a version, a caller's words, or a sheared message."""
        if "NCCL INFO " in text or "NCCL WARN " in text:
            self._state.sheared += 1
            return
        self._state.wants_next = "Last error:" in text
        version = grammar.BARE_VERSION.search(text)
        if version is not None:
            self._state.lines += 1
            self._state.notes.version(version)
        self._called(text)
        where = Where(("", 0), self._cite(), self._stamp)
        self._state.failures.wrapped(text, where, self._number, carried=carried)

    def _called(self, text: str) -> None:
        """NCCL's diagnostics, and the library's version in the words of vLLM."""
        diag = grammar.DIAG.search(text)
        if diag is not None:
            self._state.lines += 1
            self._state.info = True
            self._state.notes.diagnosed(diag, self._cite())
        version = grammar.CALLER_VERSION.search(text)
        if version is not None:
            self._state.notes.called(version["version"])

    def _count(self, counted: Iterable[Counted]) -> None:
        """Bring what the short way counted into the tables."""
        for thread, lines, links in counted:
            self._state.lines += lines
            process = self._state.processes.of(thread)
            process.lines += lines
            process.busy = process.busy or bool(links)
            for link, times, number in links:
                self._add(thread, link, number, times)

    def _add(self, thread: Thread, link: Link, line: int, times: int = 1) -> None:
        process = self._state.processes.of(thread)
        self._state.channels.add(thread, link, line, times, settled=process.settled)
        if process.settled and thread.communicator is None and link.via.is_between_nodes:
            process.pending = True

    def state(self) -> NcclState:
        """What was read so far, to be kept; the reader goes on with it."""
        self._count(self._quick.flush())
        return self._state

    def result(self) -> NcclLog:
        """What was read so far, as evidence."""
        return self.state().log(self._source)


def _take(here: Here, text: str, forms: Iterable[grammar.Form]) -> set[str]:
    """Take what these forms find; the kinds that were found."""
    kinds = set()
    for form in forms:
        taker = TAKERS.get(form.kind)
        found = form.pattern.search(text) if taker and form.needle in text else None
        if taker is not None and found is not None:
            taker(here, found)
            kinds.add(form.kind)
    return kinds


def _two_words(text: str, end: int) -> int:
    """Where the last two words before `end` begin: mostly `host:pid:tid [dev]`."""
    return text.rfind(" ", 0, max(text.rfind(" ", 0, end), 0)) + 1


def _marked(message: str) -> bool:
    return any(needle in message and p.search(message) for _, needle, p in grammar.MARKS)
