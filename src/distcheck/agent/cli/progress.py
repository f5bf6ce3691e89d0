"""One line of progress on standard error, for a person who waits; gone at the end."""

import shutil
import sys
from types import TracebackType
from typing import Self, TextIO


class Progress:
    """Shows the latest line on a terminal, and nothing anywhere else."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        """Nothing is shown with `quiet`, or where `stream` (standard error) is no terminal."""
        self._stream = stream or sys.stderr
        self._shown = not quiet and self._stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __call__(self, text: str) -> None:
        """Replace the line; control characters are left out, and it never wraps."""
        if self._shown:
            width = shutil.get_terminal_size((80, 24)).columns
            clean = "".join(c for c in text if c.isprintable())[: width - 1]
            self._write(f"\r\x1b[K{clean}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
