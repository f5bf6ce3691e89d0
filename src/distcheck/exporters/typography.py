"""Text on a terminal: columns, wrapping by words, colour, and nothing that could drive it."""

from collections.abc import Iterator, Sequence

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


def no_command(line: str) -> str:
    """`line`, so that no runner of GitHub Actions takes it for a command.

    It takes `::` at the front, behind spaces too, and `##[` anywhere (actions/runner
    src/Runner.Common/ActionCommand.cs). What is read from files and logs may begin a line.
    """
    told = line.replace("##[", "## [") if "##[" in line else line
    front = told.lstrip()
    if not front.startswith("::"):
        return told
    return f"{told[: len(told) - len(front)]}\\{front}"


def columns(text: str) -> int:
    """Terminal columns of `text`: two for wide characters, none for combining ones."""
    return len(text) if text.isascii() else sum(map(_column, text))


def _column(char: str) -> int:
    import unicodedata  # noqa: PLC0415 - few texts are beyond ASCII

    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def wrap(text: str, width: int, *, code: bool = False) -> list[str]:
    """Lines of at most `width` columns, broken between words.

    A word that is longer than a line stands alone and whole: a path can still be copied. So can
    with `code` what stands in backticks, where it is no longer than a line.
    """
    lines: list[str] = []
    for word in _words(text, width) if code else text.split(" "):
        if lines and columns(lines[-1]) + 1 + columns(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines or [""]


def _words(text: str, width: int) -> Iterator[str]:
    """Words, of which those between two backticks are one."""
    held = ""
    for word in text.split(" "):
        held = f"{held} {word}" if held else word
        if held.count("`") % 2 == 0:
            yield from [held] if columns(held) <= width else held.split(" ")
            held = ""
    yield from held.split(" ") if held else ()


def shorten(text: str, width: int, more: str) -> str:
    """`text` in at most `width` columns, cut between words where there is one, then `more`."""
    if columns(text) <= width:
        return text
    room = width - columns(more)
    cut = _cut(text, room)
    head, space, _ = cut.rpartition(" ")
    return (head if space and columns(head) > room // 2 else cut).rstrip(" ,;:") + more


def clip(text: str, width: int, more: str) -> str:
    """`text` in at most `width` columns, cut anywhere, then `more` where there is room for it."""
    if columns(text) <= width:
        return text
    more = more if columns(more) <= width else ""
    return _cut(text, width - columns(more)) + more


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
