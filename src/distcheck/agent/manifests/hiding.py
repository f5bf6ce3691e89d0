"""Lines of a file as they may be shown: without what CONF076 finds, and what looks like a secret."""  # noqa: E501

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from distcheck.agent.redact import HIDDEN, scrubbed

Span = tuple[int, int]
"""Columns of a line, from 0; the second is behind the last character."""
Secrets = Mapping[tuple[str, int], Sequence[Span]]
"""By file and line (from 0), what must not be shown."""
_WORD = r"[A-Za-z_./-]{1,40}[0-9]?|(?:[a-z0-9-]{1,40}\.){1,8}[a-z]{1,20}/[A-Za-z0-9_.-]{1,63}"
_NAMES = re.compile(
    rf"(?<![\w.-])[\"']?(?:topologyKey|key)[\"']?:\s+(?:{_WORD}|\"(?:{_WORD})\"|'(?:{_WORD})')"
    r"(?=[\s,}]|\Z)"
)
"""Kubernetes' fields `key` hold names: of an entry of a Secret, a taint, a label."""


def gathered(found: Iterator[tuple[str, int, int, int]]) -> Secrets:
    """From file, line, column and end."""
    spans: dict[tuple[str, int], set[Span]] = defaultdict(set)
    for file, line, start, end in found:
        if end > start:
            spans[file, line].add((start, end))
    return {at: tuple(sorted(those)) for at, those in spans.items()}


def shown(text: str, spans: Sequence[Span]) -> str:
    """The line as it may be shown; stars keep all else in its column."""
    for start, end in spans:
        text = f"{text[:start]}{'*' * (end - start)}{text[end:]}"
    return _in_columns(text, _clean(text))


@lru_cache(maxsize=512)
def _clean(text: str) -> str:
    made, at = "", 0
    for name in _NAMES.finditer(text):
        made += scrubbed(text[at : name.start()]) + name[0]
        at = name.end()
    return made + scrubbed(text[at:])


def _in_columns(text: str, clean: str) -> str:
    """`clean` with stars for HIDDEN, as many as it stands for, as far as that can be told."""
    made, *others = clean.split(HIDDEN)
    for number, piece in enumerate(others, 1):
        last = number == len(others)
        end = len(text) - len(piece) if last else text.find(piece or " ", len(made))
        if end < len(made):
            return clean
        made += "*" * (end - len(made)) + piece
    return made
