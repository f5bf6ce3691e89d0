"""`# distcheck: ignore CONF012 reason`: behind what it is about, above it, or above an object."""

import re
from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from distcheck.agent.manifests.source import Source

_COMMENT = re.compile(
    r"(?:^|\s)#\s*distcheck:\s*ignore[ \t]+"
    r"(CONF\d{3}(?:[ \t]*,[ \t]*CONF\d{3})*)(?:[ \t:-]+(.*))?$",
    re.IGNORECASE,
)


class Silence(Struct, frozen=True):
    """By line (from 0) and rule: the reason; `whole` are lines at which an object begins."""

    lines: Mapping[tuple[int, str], str]
    above: Mapping[tuple[int, str], str]


@lru_cache(maxsize=64)
def silences(source: Source) -> Silence:
    """What the comments of a file silence."""
    lines: dict[tuple[int, str], str] = {}
    above: dict[tuple[int, str], str] = {}
    for number, text in enumerate(source.lines):
        if "distcheck" not in text or (found := _COMMENT.search(text)) is None:
            continue
        ids = [i.strip().upper() for i in found[1].split(",")]
        reason = (found[2] or "").strip() or "no reason given"
        alone = not text[: found.start()].strip()
        at = _next(source.lines, number) if alone else number
        lines |= {(at, i): reason for i in ids}
        above |= {(at, i): reason for i in ids} if alone else {}
    return Silence(lines, above)


def _next(lines: tuple[str, ...], number: int) -> int:
    """The first line below that is no comment and no mark of a document."""
    for at in range(number + 1, len(lines)):
        text = lines[at].strip()
        if text and not text.startswith(("#", "---")):
            return at
    return number


def silenced(source: Source, rule: str, line: int, first_line: int) -> str | None:
    """The reason for which `rule` is silent at `line`, or in the whole object that begins at `first_line`."""  # noqa: E501
    found = silences(source)
    return found.lines.get((line, rule), found.above.get((first_line, rule)))
