"""Fenced blocks and inline code of the Markdown files that are written by hand."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

from msgspec import Struct

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(
    r"^(?P<pad> *)(?P<mark>```+)(?P<info>[^\n]*)\n(?P<text>.*?)^(?P=pad)(?P=mark)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_INLINE = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")


class Block(Struct, frozen=True):
    """One fenced block: `options` are the words `name=value` behind its language."""

    path: Path
    line: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def place(self) -> str:
        """`docs/tutorial.md:12`."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README, and every page of docs/ and deploy/."""
    found = (p for folder in ("docs", "deploy") for p in (ROOT / folder).rglob("*.md"))
    return [ROOT / "README.md", *sorted(found)]


def blocks(path: Path, text: str | None = None) -> Iterator[Block]:
    """The fenced blocks of a page, or of `text` in its place."""
    text = path.read_text(encoding="utf-8") if text is None else text
    for found in _FENCE.finditer(text):
        language, *words = found["info"].split() or [""]
        options = dict(w.partition("=")[::2] for w in words)
        line = text.count("\n", 0, found.start()) + 1
        yield Block(path, line, language, options, dedent(found["text"]))


def prose(text: str) -> str:
    """A page without its fenced blocks, its lines where they were."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)


def inline_code(text: str) -> Iterator[str]:
    """What stands between single backticks, outside of fenced blocks."""
    for found in _INLINE.finditer(prose(text)):
        yield " ".join(found[1].split())


def with_texts(text: str, texts: dict[int, str]) -> str:
    """The page with other texts in its blocks, by the number of each block."""
    parts: list[str] = []
    at = 0
    for number, found in enumerate(_FENCE.finditer(text)):
        parts += [text[at : found.start("text")], texts.get(number, found["text"])]
        at = found.end("text")
    return "".join((*parts, text[at:]))
