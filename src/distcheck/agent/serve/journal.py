"""What serve says on standard error: its start, each change of a verdict, and lost listings."""

import sys
from collections.abc import Collection

from distcheck.agent import clock
from distcheck.checks.report import Report
from distcheck.checks.verdict import Outcome
from distcheck.exporters.typography import shorten, visible

Key = tuple[str, str]
_COLUMNS = 500


def note(text: str) -> None:
    """One line with the time; what a cluster may put into it is escaped, and bounded."""
    sys.stderr.write(f"{clock.now()} distcheck serve: {shorten(visible(text), _COLUMNS, '...')}\n")


class Journal:
    """Tells what is new, and nothing twice. Threads may tell of different groups at a time."""

    def __init__(self) -> None:
        self._told: dict[Key, Outcome] = {}
        self._listed = True

    def verdict(self, key: Key, report: Report) -> None:
        """A line where the verdict on this group differs from its last."""
        before, now = self._told.get(key), report.verdict
        if now != before:
            self._told[key] = now
            was = f" (was {before})" if before else ""
            note(f"{key[0]}/{key[1]}: {now.upper()}{was}: {report.summary}")

    def listing(self, trouble: str) -> None:
        """A line where groups can be listed no more (`trouble` says why), or can again."""
        if bool(trouble) == self._listed:
            note(trouble or "serving groups can be listed again")
        self._listed = not trouble

    def groups(self, known: Collection[Key]) -> None:
        """A line for each group that was told of and is none of `known`."""
        for key in [k for k in self._told if k not in known]:
            del self._told[key]
            note(f"{key[0]}/{key[1]}: gone")
