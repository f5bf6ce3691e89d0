"""Versions, settings and explaining lines of one log, each kept once."""

import re
from collections.abc import Collection

from msgspec import Struct, field

from distcheck.agent.logs.nccl_grammar import DIAG_FORMS, ECHOES, MARKS
from distcheck.checks.evidence.nccl import Echo, Mark

MAX_VERSIONS = 64
MAX_NOTES = 4096
_SAID = 240
_SEARCHED = 2048
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def printable(text: str) -> str:
    """`text` on one line, without control characters, cut to 240 characters."""
    return _CONTROL.sub(" ", text[: 4 * _SAID]).strip()[:_SAID]


class Notes(Struct):
    """What a log says beside ranks, channels and failures."""

    named: dict[str, None] = field(default_factory=dict)
    settings: dict[tuple[str, str, str], Echo] = field(default_factory=dict)
    marked: dict[tuple[str, str], Mark] = field(default_factory=dict)
    rccl: bool = False
    left_out: int = 0

    def version(self, found: re.Match[str]) -> None:
        """Take a version line."""
        self.rccl = self.rccl or found["flavour"] == "RCCL"
        if len(self.named) < MAX_VERSIONS:
            self.named[found["version"]] = None

    def echo(self, name: str, value: str, host: str, source: str) -> None:
        """Take a setting, if it is one that matters here; NCCL may end it with a full stop."""
        if not ECHOES.match(name):
            return
        said = printable(value).removesuffix(".")
        if len(self.settings) >= MAX_NOTES and (name, said, host) not in self.settings:
            self.left_out += 1
            return
        self.settings.setdefault((name, said, host), Echo(name, said, host, source))

    def mark(self, message: str, host: str, source: str) -> None:
        """Take a message for every mark that it matches; the first of a host is kept."""
        message = message[:_SEARCHED]
        for name, needle, pattern in MARKS:
            if needle in message and pattern.search(message):
                self._mark(name, message, host, source)

    def _mark(self, name: str, message: str, host: str, source: str) -> None:
        if (name, host) in self.marked:
            return
        if len(self.marked) < MAX_NOTES:
            self.marked[name, host] = Mark(name, printable(message), host, source)
        else:
            self.left_out += 1

    def diagnosed(self, found: re.Match[str], source: str) -> None:
        """Take a line of NCCL's own diagnostics."""
        for form in DIAG_FORMS:
            if form.pattern.search(found["text"]):
                self._mark(form.kind, found["text"], found["host"], source)

    def called(self, version: str) -> None:
        """Take a version in the words of the program that loaded the library."""
        if len(self.named) < MAX_VERSIONS:
            self.named[version] = None

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version printed, in order; not the shorter name of one that is there in full."""
        full = [v.partition("+")[0] for v in self.named if "+" in v]
        return tuple(v for v in self.named if v not in full)

    def echoes(self, hosts: Collection[str]) -> tuple[Echo, ...]:
        """Settings that these hosts printed."""
        return tuple(e for e in self.settings.values() if e.host in hosts)

    def marks(self, hosts: Collection[str]) -> tuple[Mark, ...]:
        """Marks of these hosts."""
        return tuple(m for m in self.marked.values() if m.host in hosts)
