"""Reads NCCL's messages out of unframed lines and distils them into an `NcclLog`."""

import re
from collections.abc import Callable

from distcheck.agent.logs import nccl_grammar as grammar
from distcheck.agent.logs.nccl_channels import ChannelTable, owner
from distcheck.agent.logs.nccl_comms import CommTable, Where
from distcheck.agent.logs.nccl_failures import FailureTable
from distcheck.agent.logs.nccl_notes import Notes, printable
from distcheck.agent.logs.nccl_processes import ProcessTable, Thread
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.knowledge.nccl_merge import merge

__all__ = ["NcclReader", "merge"]

_MARKER = " NCCL "
_CHANNEL = ("Channel ", "CollNet ")


class NcclReader:
    """One log's NCCL lines, in order; bounded, and total: no line makes it raise.

    `wants_next` asks for the next line whatever it holds: it ends a message of PyTorch's.
    """

    WANTED: tuple[bytes, ...] = (b"NCCL", b"nccl", b"Last error:", b"Bus error")

    def __init__(self, source: str) -> None:
        self.wants_next = False
        self._source, self._number = source, 0
        self._stamp: str | None = None
        self._comms, self._channels = CommTable(), ChannelTable()
        self._failures, self._notes = FailureTable(), Notes()
        self._processes = ProcessTable(self._cite)
        self._lines = self._folded = self._sheared = 0
        self._info = False
        self._takers: dict[str, Callable[[re.Match[str], Thread], None]] = {
            "init": self._take_init,
            "nodes": lambda found, thread: self._comms.nodes(found, thread.key),
            "closed": lambda found, thread: self._comms.closed(found, thread.key),
            "network": self._take_network,
            "connected": self._take_connected,
            "bootstrap": self._take_bootstrap,
            "version": lambda found, _: self._notes.version(found),
            "echo": self._take_echo,
            "provider": self._take_provider,
        }

    def line(self, number: int, stamp: str | None, text: str) -> None:
        """Read one unframed line; `number` counts from 1, `stamp` is RFC 3339 or None."""
        carried, self.wants_next = self.wants_next, False
        self._number, self._stamp = number, stamp
        text, times = grammar.unfold(text)
        at = text.find(_MARKER)
        self._folded += (times - 1) * (at >= 0)
        if at >= 0 and text.find(_MARKER, at + 5) < 0:
            thread = self._processes.by_head(text[:at])
            if thread is not None:
                self._message(thread, text[at + len(_MARKER) :])
                return
        if at < 0 or not self._several(text):
            self._bare(text, carried=carried)

    def _cite(self) -> str:
        return f"{self._source}:{self._number}"

    def _where(self, thread: Thread) -> Where:
        return Where(thread.key, self._cite(), self._stamp)

    def _several(self, text: str) -> bool:
        """Two messages or more in one line; False if not even one is there."""
        found = list(grammar.MESSAGE.finditer(text))
        ends = [*(m.start() for m in found[1:]), len(text)]
        for here, end in zip(found, ends, strict=bool(found)):
            thread = self._processes.at(here)
            if thread is not None:
                self._message(thread, text[here.start("level") : end])
        return bool(found)

    def _message(self, thread: Thread, rest: str) -> None:
        """One message: what follows `NCCL ` in it, level first."""
        self._lines += 1
        thread.process.lines += 1
        level, _, message = rest.partition(" ")
        if level == "INFO":
            self._info = True
            self._take_info(thread, message)
        elif level == "WARN":
            self._notes.mark(message, thread.process.host, self._cite())
            ended = self._comms.all_closed(thread.key)
            self._failures.warned(
                printable(message), self._where(thread), self._number, after_end=ended
            )

    def _take_info(self, thread: Thread, message: str) -> None:
        prefix = grammar.SOURCE_PREFIX.match(message)
        if prefix is not None:
            message = message[prefix.end() :]
        if message.startswith(_CHANNEL) and " via " in message:
            self._channel(thread, message)
        elif not message.startswith(("Channel ", "Trees ")):
            self._notes.mark(message, thread.process.host, self._cite())
            for form in grammar.FORMS:
                found = form.pattern.search(message) if form.needle in message else None
                if found is not None:
                    self._takers[form.kind](found, thread)

    def _channel(self, thread: Thread, message: str) -> None:
        thread.process.busy = True
        known = self._channels.add(
            thread.counters,
            lambda: (thread.key, thread.communicator),
            message,
            self._cite(),
        )
        self._sheared += not known

    def _take_init(self, found: re.Match[str], thread: Thread) -> None:
        name, started = self._comms.init(found, self._where(thread)) or ("", False)
        if not name:
            self._sheared += 1
            return
        thread.process.busy = True
        if found["state"] == "START":
            thread.process.start_seen = True
            thread.communicator, thread.counters = name, {}
        elif not started:
            for counter in thread.counters.values():
                counter.communicator = counter.communicator or name
            thread.communicator, thread.counters = None, {}

    def _take_network(self, found: re.Match[str], thread: Thread) -> None:
        thread.process.network = found["name"]
        thread.process.source = self._cite()

    def _take_provider(self, found: re.Match[str], thread: Thread) -> None:
        thread.process.provider = found["name"]

    def _take_connected(self, found: re.Match[str], thread: Thread) -> None:
        thread.process.rings |= found["what"] == "rings"
        thread.process.trees |= found["what"] != "rings"

    def _take_bootstrap(self, _: re.Match[str], thread: Thread) -> None:
        process = thread.process
        if process.bootstrapped:
            self._failures.restarted(thread.key)
        process.bootstrapped = True
        process.start_seen = process.start_seen or not process.busy

    def _take_echo(self, found: re.Match[str], thread: Thread) -> None:
        self._notes.echo(found["name"], found["value"], thread.process.host, self._cite())

    def _bare(self, text: str, *, carried: bool) -> None:
        """A line without a NCCL head: a version, a caller's words, or a sheared message."""
        if "NCCL INFO " in text or "NCCL WARN " in text:
            self._sheared += 1
            return
        self.wants_next = "Last error:" in text
        version = grammar.BARE_VERSION.search(text)
        if version is not None:
            self._lines += 1
            self._notes.version(version)
        where = Where(("", 0), self._cite(), self._stamp)
        self._failures.wrapped(printable(text), where, self._number, carried=carried)

    def result(self) -> NcclLog:
        """What was read so far."""
        trusted = self._processes.trusted()
        comms = self._comms.result(frozenset(trusted))
        channels = self._channels.result(
            lambda c: owner(c, comms, self._comms.id_at), {c.id: c for c in comms}
        )
        hosts = {p.host for p in trusted.values()}
        busy = [p for p in trusted.values() if p.busy]
        return NcclLog(
            lines=self._lines,
            flavour="RCCL" if self._notes.rccl else "NCCL",
            versions=self._notes.versions,
            info=self._info,
            start_seen=bool(busy) and all(p.start_seen for p in busy),
            processes=tuple(p.seen() for p in trusted.values()),
            communicators=comms,
            channels=tuple(c for c in channels if (c.host, c.pid) in trusted),
            echoes=self._notes.echoes(hosts),
            marks=self._notes.marks(hosts),
            failures=self._failures.result(hosts),
            folded=self._folded,
            sheared=self._sheared + self._processes.doubted,
            dropped=self._dropped(),
        )

    def _dropped(self) -> tuple[str, ...]:
        counts = {
            "communicators or ranks": self._comms.left_out,
            "channel lines": self._channels.left_out,
            "failures": self._failures.left_out,
            "threads, settings or notes": self._processes.left_out + self._notes.left_out,
        }
        return tuple(f"{n} {what} over the bound" for what, n in counts.items() if n)
