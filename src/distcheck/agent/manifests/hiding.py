"""Lines of a file as they may be shown: without what CONF076 finds, and what looks like a secret."""  # noqa: E501

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from distcheck.agent.manifests.source import Source
from distcheck.agent.redact import HIDDEN, scrubbed, without_shapes
from distcheck.pattern import pattern

Span = tuple[int, int]
"""Columns of a line, from 0; the second is behind the last character."""
Secrets = Mapping[tuple[str, int], Sequence[Span]]
"""By file and line (from 0), what must not be shown."""
_WORD = r"[A-Za-z_./-]{1,40}[0-9]?|(?:[a-z0-9-]{1,40}\.){1,8}[a-z]{1,20}/[A-Za-z0-9_.-]{1,63}"
_NAMES = pattern(
    rf"(?<![\w.-])[\"']?(?:(?:topologyKey|key)[\"']?:\s+(?:{_WORD}|\"(?:{_WORD})\"|'(?:{_WORD})')"
    r"|(?:auth|pull|ngcAPI|imagePull)Secret:\s+[\"']?(?:[a-z0-9]{1,20}-){1,6}"
    r"(?:secret|api|key|token|credentials?|registry)[\"']?)(?=[\s,}]|\Z)",
    near=("key", "topologyKey", "Secret"),
)
"""Kubernetes' fields `key` hold names: of an entry of a Secret, a taint, a label. So do NIM's of
Secrets, where what they hold is made as names are."""


def gathered(found: Iterator[tuple[str, int, int, int]]) -> Secrets:
    """From file, line, column and end."""
    spans: dict[tuple[str, int], set[Span]] = defaultdict(set)
    for file, line, start, end in found:
        if end > start:
            spans[file, line].add((start, end))
    return {at: tuple(sorted(those)) for at, those in spans.items()}


def copies(source: Source, values: Sequence[str]) -> Iterator[tuple[str, int, int, int]]:
    """Where else a file says one of `values`: an anchor, another container, an annotation."""
    for number, line in enumerate(source.lines if values else ()):
        for value in values:
            for found in re.finditer(re.escape(value), line) if value in line else ():
                yield source.name, number, *found.span()


def without(text: str, values: Sequence[str]) -> str:
    """A message without `values`."""
    for value in values:
        text = text.replace(value, HIDDEN)
    return text


def said(text: str, values: Sequence[str], words: Iterable[str] = ()) -> str:
    """A message as it may be told: without `values`, secrets by their shape, and `words`."""
    clean = without_shapes(without(text, values))
    for word in words:
        clean = re.sub(re.escape(word), HIDDEN, clean, flags=re.IGNORECASE)
    return clean


def hidden_words(value: Any) -> tuple[str, ...]:
    """Words of a value that look like a secret there; a message may say them by themselves."""
    text = "" if value is None or isinstance(value, dict | list) else str(value)[:_MOST_READ]
    clean = _clean(text)
    return () if clean == text else tuple(w for w in words_of(text) if w not in clean)


def words_of(text: str) -> Iterator[str]:
    """What of a secret text may be told from other words, once each, the longest first."""
    found = (w for w in _PIECE.findall(text) if not NO_SECRET.fullmatch(w))
    yield from sorted(set(found), key=lambda word: (-len(word), word))


NO_SECRET = pattern(r"[A-Z_]+|--[a-z][a-z-]*|\d\.\d+|\$(?:[A-Z_][A-Z0-9_]*|\{\w+\}|\(\w+\))")
"""Placeholders, flags, shares, references: no words that are forbidden to messages."""
_PIECE = pattern(r"[^\s=,;:@?&'\"]{7,}")
_MOST_READ = 20_000


def shown(text: str, spans: Sequence[Span]) -> str:
    """The line as it may be shown; stars keep all else in its column."""
    return _shown(text, tuple(spans))


@lru_cache(maxsize=64)
def _shown(text: str, spans: tuple[Span, ...]) -> str:
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
