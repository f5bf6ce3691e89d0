"""`# distcheck: ignore CONF075 reason`: behind what it is about, above it, or above an object."""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from distcheck.agent.manifests.source import Source

_COMMENT = re.compile(
    r"(?:^|\s)#\s*distcheck:\s*ignore[ \t]+"
    r"(CONF\d{3}(?:[ \t]*,[ \t]*CONF\d{3})*)(?:[ \t:-]+(.*))?$",
    re.IGNORECASE,
)
_ANY = re.compile(r"(?:^|\s)#\s*distcheck:\s*ignore\b(.*)$", re.IGNORECASE)
_ID = re.compile(r"\bCONF\w*", re.IGNORECASE)


At = tuple[int, str]
"""A line (from 0) and a rule."""


class Silence(Struct, frozen=True):
    """What comments are about, with their reason, and by that where each stands.

    `above` are those that stand alone, which may be about the whole object that follows.
    """

    lines: Mapping[At, str]
    above: Mapping[At, str]
    written: Mapping[At, int]


@lru_cache(maxsize=64)
def silences(source: Source) -> Silence:
    """What the comments of a file silence."""
    lines: dict[At, str] = {}
    above: dict[At, str] = {}
    written: dict[At, int] = {}
    for number, text in enumerate(source.lines):
        if "distcheck" not in text.lower() or (found := _COMMENT.search(text)) is None:
            continue
        ids = [i.strip().upper() for i in found[1].split(",")]
        reason = (found[2] or "").strip() or "no reason given"
        alone = not text[: found.start()].strip()
        at = _next(source.lines, number) if alone else number
        lines |= {(at, i): reason for i in ids}
        above |= {(at, i): reason for i in ids} if alone else {}
        written |= {(at, i): number for i in ids}
    return Silence(lines, above, written)


def _next(lines: tuple[str, ...], number: int) -> int:
    """The first line below that is no comment and no mark of a document."""
    for at in range(number + 1, len(lines)):
        text = lines[at].strip()
        if text and not text.startswith(("#", "---")):
            return at
    return number


def silenced(source: Source, rule: str, line: int, first_line: int) -> tuple[str, At] | None:
    """The reason why `rule` is silent at `line`, or in the object that begins at `first_line`.

    And what the comment that says so is about.
    """
    found = silences(source)
    for at, told in (((line, rule), found.lines), ((first_line, rule), found.above)):
        if at in told:
            return told[at], at
    return None


def misspelt(source: Source, rules: Collection[str]) -> Iterator[tuple[int, str]]:
    """Line (from 0) of each comment that can silence nothing, and why; `rules`: all of them."""
    for number, text in enumerate(source.lines):
        if "distcheck" not in text.lower() or (found := _ANY.search(text)) is None:
            continue
        read = _COMMENT.search(text)
        ids = _ID.findall(read[1] if read else found[1])
        strange = [i for i in ids if i.upper() not in rules]
        if strange:
            yield number, f"{strange[0][:20]} is no rule: `distcheck list --rules` names them all"
        elif read is None:
            yield (
                number,
                "this comment silences nothing: `# distcheck: ignore CONF075 reason` would",
            )


def unused(source: Source, used: Collection[At], rules: Collection[str]) -> Iterator[At]:
    """Line (from 0) and rule of each comment that silenced nothing, of those that were judged."""
    for at, line in silences(source).written.items():
        if at not in used and at[1] in rules:
            yield line, at[1]
