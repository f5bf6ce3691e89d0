"""Text on a terminal: columns, wrapping by words, colour, and nothing that could drive it."""

import unicodedata
from collections.abc import Sequence

from msgspec import Struct

_SGR = {"bold": "1", "dim": "2", "reverse": "7", "red": "31", "green": "32", "yellow": "33"}
_SYMBOLS = {
    "fail": ("✗", "x"),
    "unknown": ("?", "?"),
    "warn": ("!", "!"),
    "pass": ("✓", "+"),
    "skipped": ("-", "-"),
    "more": ("…", "..."),
    "times": ("\u00d7", "x"),
}


def visible(text: str) -> str:
    """`text` with an escape in place of everything that does not print."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def columns(text: str) -> int:
    """Terminal columns of `text`: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_column, text))


def _column(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most `width` columns, broken between words.

    A word that is longer than a line stands alone and whole: a path can still be copied.
    """
    lines: list[str] = []
    for word in text.split(" "):
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def shorten(text: str, width: int, more: str) -> str:
    """`text` in at most `width` columns, cut between words where there is one, then `more`."""
    if columns(text) <= width:
        return text
    room = width - columns(more)
    cut = _cut(text, room)
    head, space, _ = cut.rpartition(" ")
    return (head if space and columns(head) > room // 2 else cut).rstrip(" ,;:") + more


def _cut(text: str, width: int) -> str:
    taken = 0
    for at, char in enumerate(text):
        taken += _column(char)
        if taken > width:
            return text[:at]
    return text


def pad(text: str, width: int) -> str:
    """`text` with spaces after it up to `width` columns."""
    return text + " " * (width - columns(text))


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    head, last = ", ".join(names[:-1]), "".join(names[-1:])
    return f"{head} and {last}" if head else last


class Ink(Struct, frozen=True):
    """Colour and symbols as far as the reader can show them."""

    colour: bool = False
    unicode: bool = True

    def paint(self, text: str, *styles: str) -> str:
        """`text` in these styles of `_SGR`, or as it is where there is no colour."""
        if not self.colour or not text:
            return text
        return f"\x1b[{';'.join(_SGR[s] for s in styles)}m{text}\x1b[0m"

    def symbol(self, name: str) -> str:
        """One of `_SYMBOLS`, in ASCII where the encoding has no better."""
        return _SYMBOLS[name][not self.unicode]

    def clean(self, text: str) -> str:
        """`text` that is safe to print here: nothing that a terminal would obey."""
        safe = visible(text)
        return safe if self.unicode else safe.encode("ascii", "backslashreplace").decode("ascii")
