"""Versions, settings and explaining lines of one log, each kept once."""

import re
from collections.abc import Collection

from msgspec.structs import replace

from distcheck.agent.logs.nccl_grammar import ECHOES, MARKS
from distcheck.checks.evidence.nccl import Echo, Mark

MAX_NOTES = 512
_SAID = 240
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def printable(text: str) -> str:
    """`text` on one line, without control characters, cut to 240 characters."""
    return _CONTROL.sub(" ", text[: 4 * _SAID]).strip()[:_SAID]


class Notes:
    """What a log says beside ranks, channels and failures."""

    def __init__(self) -> None:
        self._versions: dict[str, None] = {}
        self._echoes: dict[tuple[str, str, str], Echo] = {}
        self._marks: dict[tuple[str, str], Mark] = {}
        self.rccl = False
        self.left_out = 0

    def version(self, found: re.Match[str]) -> None:
        """Take a version line."""
        self.rccl = self.rccl or found["flavour"] == "RCCL"
        if len(self._versions) < MAX_NOTES:
            self._versions[found["version"]] = None

    def echo(self, name: str, value: str, host: str, source: str) -> None:
        """Take a setting, if it is one that matters here."""
        if not ECHOES.match(name):
            return
        if len(self._echoes) >= MAX_NOTES:
            self.left_out += 1
            return
        said = printable(value)
        self._echoes.setdefault((name, said, host), Echo(name, said, host, source))

    def mark(self, message: str, host: str, source: str) -> None:
        """Take a message for every mark that it matches."""
        for name, needle, pattern in MARKS:
            if needle in message and pattern.search(message):
                self._marked(name, message, host, source)

    def _marked(self, name: str, message: str, host: str, source: str) -> None:
        old = self._marks.get((name, host))
        if old is not None:
            self._marks[name, host] = replace(old, count=old.count + 1)
        elif len(self._marks) < MAX_NOTES:
            self._marks[name, host] = Mark(name, printable(message), host, source)
        else:
            self.left_out += 1

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version printed, in order."""
        return tuple(self._versions)

    def echoes(self, hosts: Collection[str]) -> tuple[Echo, ...]:
        """Settings that these hosts printed."""
        return tuple(e for e in self._echoes.values() if e.host in hosts)

    def marks(self, hosts: Collection[str]) -> tuple[Mark, ...]:
        """Marks of these hosts."""
        return tuple(m for m in self._marks.values() if m.host in hosts)
