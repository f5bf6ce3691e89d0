"""`# distcheck: ignore CONF075 reason`: behind what it is about, above it, or above an object."""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

from msgspec import Struct

from distcheck.agent.manifests.source import Part, Source
from distcheck.pattern import pattern

_COMMENT = pattern(
    r"(?:^|\s)#\s*distcheck:\s*ignore[ \t]+"
    r"(CONF\d{3}(?:[ \t]*,[ \t]*CONF\d{3})*)(?:[ \t:-]+(.*))?$",
    re.IGNORECASE,
)
_ANY = pattern(
    r"(?:^|\s)#\s*distcheck(?::\s*ignore\b|[ \t:=/.-]*(?:io/)?"
    r"(?:ignore|disable|skip|noqa|nolint|suppress|silence|allow)\b(?=.*\bCONF\d))(.*)$",
    re.IGNORECASE,
)
"""What is meant to silence, also in the words of other linters, where it names a rule."""
_ID = pattern(r"\bCONF\w*", re.IGNORECASE)


At = tuple[int, str]
"""A line (from 0) and a rule."""


class Silence(Struct, frozen=True):
    """What comments are about, with their reason, and by that where each stands.

    `above` are those that stand alone, which may be about the whole object that follows.
    """

    lines: Mapping[At, str]
    above: Mapping[At, str]
    written: Mapping[At, int]


class _Remark(Struct, frozen=True):
    """What a comment says about the lines from `first` to before `end`; `inner`: of a script."""

    line: int
    found: re.Match[str]
    first: int
    end: int
    inner: bool


def _remarks(source: Source) -> Iterator[_Remark]:
    """Comments of YAML, and those in blocks of text, which are about that text alone."""
    for part in source.parts:
        starts = [(t.line, t.column) for t in part.texts]
        for number in range(part.first, min(part.end, len(source.lines))):
            text = source.lines[number]
            if "distcheck" in text.lower():
                yield from islice(_in_line(number, text, part, starts), 1)


def _in_line(
    number: int, text: str, part: Part, starts: Sequence[tuple[int, int]]
) -> Iterator[_Remark]:
    found = _ANY.search(text)
    while found is not None:
        at = (number, text.index("#", found.start()))
        before = bisect_right(starts, at)
        held = part.texts[before - 1] if before else None
        if held is None or at >= (held.end_line, held.end) or (held.block and held.line == number):
            yield _Remark(number, found, part.first, part.end, inner=False)
        elif held.block:
            yield _Remark(number, found, held.line + 1, held.end_line + (held.end > 0), inner=True)
        found = _ANY.search(text, found.start() + 1)


@lru_cache(maxsize=64)
def silences(source: Source) -> Silence:
    """What the comments of a file silence."""
    lines: dict[At, str] = {}
    above: dict[At, str] = {}
    written: dict[At, int] = {}
    remarks = list(_remarks(source))
    below = _below(source.lines) if remarks else []
    for one in remarks:
        text = source.lines[one.line]
        if (read := _COMMENT.search(text, one.found.start())) is None:
            continue
        ids = [i.strip().upper() for i in read[1].split(",")]
        reason = (read[2] or "").strip() or "no reason given"
        alone = not text[: read.start()].strip()
        at = below[one.line] if alone and below[one.line] < one.end else one.line
        lines |= {(at, i): reason for i in ids}
        above |= {(at, i): reason for i in ids} if alone and not one.inner else {}
        written |= {(at, i): one.line for i in ids}
    return Silence(lines, above, written)


def _below(lines: tuple[str, ...]) -> list[int]:
    """By line, the first one below that is no comment and no mark of a document, else itself."""
    found, last = list(range(len(lines))), -1
    for number in reversed(found):
        found[number] = number if last < 0 else last
        text = lines[number].strip()
        if text and not text.startswith(("#", "---", "%")):
            last = number
    return found


def silenced(source: Source, rule: str, line: int, first_line: int) -> tuple[str, At] | None:
    """The reason why `rule` is silent at `line`, or in the object that begins at `first_line`.

    And what the comment that says so is about.
    """
    found = silences(source)
    for at, told in (((line, rule), found.lines), ((first_line, rule), found.above)):
        if at in told:
            return told[at], at
    return None


_SHOWN = 3


def misspelt(source: Source, rules: Collection[str]) -> Iterator[tuple[int, str]]:
    """Line (from 0) of each comment that can silence nothing, and why; `rules`: all of them."""
    for one in _remarks(source):
        number, found = one.line, one.found
        read = _COMMENT.search(source.lines[number], found.start())
        ids = _ID.findall(read[1] if read else found[1])
        strange = [i for i in ids if i.upper() not in rules]
        if strange:
            yield number, f"{strange[0][:20]} is no rule: `distcheck list --rules` names them all"
        elif read is None:
            meant = ", ".join(i.upper() for i in ids[:_SHOWN]) or "CONF075"
            says = f"this comment silences nothing: `# distcheck: ignore {meant} reason` would"
            yield number, says


def unused(source: Source, used: Collection[At], rules: Collection[str]) -> Iterator[At]:
    """Line (from 0) and rule of each comment that silenced nothing, of those that were judged."""
    for at, line in silences(source).written.items():
        if at not in used and at[1] in rules:
            yield line, at[1]
