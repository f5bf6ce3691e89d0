"""The short way for lines whose like has been read before: most of a dense NCCL log.

Nothing is understood here. A line is counted if the long way has understood one that differs
only in its time stamp, its channel number or its launcher's prefix; all others go back.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from distcheck.agent.logs.nccl_channels import Link
from distcheck.agent.logs.nccl_processes import ProcessKey, Thread

INFO = b" NCCL INFO "
_CHANNEL = b"Channel "
_WORD, _DEVICE = len(INFO), 5
"""` NCCL INFO ` is so long; so far before it, or farther, stands the space before the head."""
_LONGEST_NUMBER = 24
"""`Channel 00/0 : ` is shorter."""
TREES = re.compile(
    rb"Trees(?: \[\d{1,4}\] [-\d]{1,9}(?:/[-\d]{1,9}){2}->\d{1,9}->[-\d]{1,9}){1,64}\Z"
)
MAX_KNOWN = 65_536
_MAX_STILL = 256


class Tally(dict[int | None, int]):
    """What one thread wrote since its last flush: lines for each link (by its place), and others.

    `first` is the number of the first line of each link. `still` are messages of its process
    that say nothing new when they come again.
    """

    __slots__ = ("first", "others", "still", "thread")

    def __init__(self, thread: Thread, still: set[bytes]) -> None:
        self.thread, self.still = thread, still
        self.first: dict[int | None, int] = {}
        self.others = 0


class Counted(NamedTuple):
    """Lines of one thread: how many, and for each link how many and the first one's number."""

    thread: Thread
    lines: int
    links: list[tuple[Link, int, int]]


class Quick:
    """Knows heads, channel messages and messages without facts by their bytes."""

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, int, str], Tally] = {}
        self._of_process: dict[ProcessKey, list[Tally]] = {}
        self._heads: dict[bytes, Tally] = {}
        self._tails: dict[bytes, int] = {}
        self._links: list[Link] = []
        self._channels: set[bytes] = set()
        self._dull: set[bytes] = set()
        self._prefixes: set[bytes] = set()
        self._still: dict[ProcessKey, set[bytes]] = {}

    def take(  # noqa: C901 - one loop: a call for each line would cost a tenth of it
        self, lines: Sequence[bytes], at: int, stop: int, numbers: Sequence[int], *, every: bool
    ) -> int:
        """Count lines from `at` on; where the first is that needs the long way, or `stop`.

        `numbers` are those of `lines` in their log. With `every`, lines without `NCCL` are
        passed over.
        """
        heads, tails, channels = self._heads, self._tails, self._channels
        for index in range(at, stop):
            raw = lines[index]
            mark = raw.find(INFO)
            if mark < _DEVICE:
                if every and b"NCCL" not in raw:
                    continue
                return index
            tally = heads.get(raw[raw.rfind(b" ", 0, mark - _DEVICE) + 1 : mark])
            if tally is None or raw.find(b"NCCL", 0, mark) >= 0:
                return index
            start = mark + _WORD
            if raw[start : start + 8] != _CHANNEL:
                message = raw[start:]
                if self._is_old(message, tally):
                    tally.others += 1
                    continue
                if not self._is_channel(message):
                    return index
                start += message.find(_CHANNEL)
            colon = raw.find(b" : ", start, start + _LONGEST_NUMBER)
            if raw[start + 8 : colon] not in channels:
                return index
            link = tails.get(raw[colon + 3 :])
            try:
                tally[link] += 1
            except KeyError:
                if link is None:
                    return index
                tally[link], tally.first[link] = 1, numbers[index]
        return stop

    def _is_old(self, message: bytes, tally: Tally) -> bool:
        """Whether this message shows nothing new."""
        if message in self._dull or message in tally.still:
            return True
        return message.startswith(b"Trees ") and TREES.match(message) is not None

    def _is_channel(self, message: bytes) -> bool:
        """Whether a known `file.cc:LINE (func) ` stands before a channel's message."""
        at = message.find(_CHANNEL)
        return at > 0 and message[:at] in self._prefixes

    @property
    def full(self) -> bool:
        """No more messages can be known before all is flushed."""
        return len(self._tails) >= MAX_KNOWN

    def know_head(self, head: bytes, thread: Thread) -> None:
        """Lines whose last two words before `NCCL INFO` are `head` are of this thread."""
        if len(self._heads) >= MAX_KNOWN:
            self._heads.clear()
        key = _key(thread)
        if key not in self._tallies:
            still = self._still.setdefault(thread.key, set())
            self._tallies[key] = Tally(thread, still)
            self._of_process.setdefault(thread.key, []).append(self._tallies[key])
        self._heads[head] = self._tallies[key]

    def knows(self, head: bytes) -> bool:
        """Whether lines of this head are already known."""
        return head in self._heads

    def know_link(self, message: bytes, at: int, link: Link) -> None:
        """This message, which begins at `at`, is of this link, whoever writes it."""
        number, _, tail = message[at + len(_CHANNEL) :].partition(b" : ")
        if len(self._channels) < MAX_KNOWN and len(number) < _LONGEST_NUMBER:
            self._channels.add(number)
        if tail not in self._tails:
            self._tails[tail] = len(self._links)
            self._links.append(link)
        if len(self._prefixes) < MAX_KNOWN:
            self._prefixes.add(message[:at])

    def know_dull(self, message: bytes) -> None:
        """This message shows nothing, whoever writes it."""
        if len(self._dull) >= MAX_KNOWN:
            self._dull.clear()
        self._dull.add(message)

    def know_still(self, message: bytes, thread: Thread) -> None:
        """This message shows nothing more when this process writes it again."""
        still = self._still.setdefault(thread.key, set())
        if len(still) < _MAX_STILL:
            still.add(message)

    def forget(self, thread: Thread) -> None:
        """The process may be another one now: what it says again is new."""
        self._still.get(thread.key, set()).clear()

    def flush(self) -> Iterator[Counted]:
        """What each thread wrote; then counting begins anew."""
        for tally in self._tallies.values():
            yield from self._flushed(tally)
        if self.full:
            self._tails, self._links = {}, []

    def flush_process(self, thread: Thread) -> Iterator[Counted]:
        """What all threads of a thread's process wrote; then their counting begins anew."""
        for tally in self._of_process.get(thread.key, ()):
            if tally or tally.others:
                yield from self._flushed(tally)

    def _flushed(self, tally: Tally) -> Iterator[Counted]:
        links = [(self._links[i], n, tally.first[i]) for i, n in tally.items() if i is not None]
        lines = tally.others + sum(tally.values())
        tally.first, tally.others = {}, 0
        tally.clear()
        if lines:
            yield Counted(tally.thread, lines, links)


def head_words(head: bytes) -> bytes:
    """`host:pid:tid [dev]`, the last two words of what stands before ` NCCL INFO `."""
    return head[head.rfind(b" ", 0, max(len(head) - _DEVICE, 0)) + 1 :]


def _key(thread: Thread) -> tuple[str, int, str]:
    return thread.whole
