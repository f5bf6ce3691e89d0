"""Where a file holds what must not be shown, whether any rule finds it or not.

The values of a Secret, of variables and entries that are named as secrets, the manifest that
`kubectl apply` keeps in an annotation, and all of a document that cannot be read.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from distcheck.agent.manifests.source import Document, Source
from distcheck.agent.manifests.streams import chunks
from distcheck.agent.manifests.tree import Mark, NotYamlError, Tree
from distcheck.agent.manifests.yaml_tree import read_tree
from distcheck.agent.redact import names_a_secret
from distcheck.pattern import pattern

Lines = Iterator[tuple[int, int, int]]
"""Line, column and end, from 0."""
_ENTRY = pattern(
    r"(?:(?:^|_)(?:TOKEN|PAT|KEY|SECRET|CREDENTIALS?|PASS)|(?:[Pp]assw|PASSW)\w{0,9}|[Pp]assphrase"
    r"|[Tt]oken|(?:api|access|private)[_-]?[Kk]ey)\Z"
)
"""Keys whose values are secrets: Kubernetes' own `key` and `secret` hold names."""
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_HELD = ("data", "stringData")
_LONG_ENOUGH, _LONGEST_NAME = 7, 64


def secret_places(document: Document) -> Lines:
    """What must not be shown of one object."""
    tree, value = document.tree, document.value
    all_secret = _is_secret(value) or (bool(document.root) and _is_secret(tree.value, "List"))
    for mark in _marks(tree, value, all_secret=all_secret):
        yield from lines_of(mark, document.source.lines)
    if all_secret and not document.root:
        yield from _comments(document)


def _comments(document: Document) -> Lines:
    """Comments in a Secret, which may hold an older value."""
    lines = document.source.lines
    line = min((m.key_line for m in document.tree.marks[id(document.value)].values()), default=0)
    for part in document.source.parts:
        if part.first <= line < part.end:
            for number in range(part.first, min(part.end, len(lines))):
                if found := lines[number].find("#") + 1:
                    yield number, found, len(lines[number])


def shared_values(document: Document) -> Iterator[str]:
    """Secret texts that stand elsewhere, at an anchor."""
    tree = document.tree
    for held, key, mark in _entries(tree, document.value):
        text = held[key]
        if mark.style == "*" and isinstance(text, str) and _named(held, key):
            yield from (text,) if len(text) >= _LONG_ENOUGH else ()


def unread_places(source: Source) -> Lines:
    """The values of each document that cannot be read, by its lines alone."""
    for first, chunk in chunks("\n".join(source.lines)):
        try:
            read_tree(chunk, first)
        except NotYamlError:
            for number, line in enumerate(chunk.split("\n"), first):
                if not line.startswith(("#", "---", "kind:", "apiVersion:")):
                    yield number, line.find(":") + 1, len(line)


def lines_of(mark: Mark, lines: tuple[str, ...]) -> Lines:
    """Each line of the value that is marked."""
    last = min(mark.end_line, len(lines) - 1)
    for number in range(mark.line, last + 1):
        text = lines[number]
        start = mark.column if number == mark.line else len(text) - len(text.lstrip())
        yield number, start, mark.end if number == mark.end_line else len(text)


def _is_secret(value: Any, more: str = "") -> bool:
    return isinstance(value, dict) and value.get("kind") == f"Secret{more}"


def _marks(tree: Tree, value: Any, *, all_secret: bool) -> Iterator[Mark]:
    for held, key, mark in _entries(tree, value):
        inside = all_secret and held is value and key in _HELD
        if inside or _named(held, key):
            yield from _scalars(tree, held[key], mark)
    for key, lost, mark in tree.lost:
        if all_secret or key == "value" or _is_called(key):
            yield from _scalars(tree, lost, mark)


def _named(held: Any, key: Any) -> bool:
    """Whether the entry is called as secrets are, or is the value of a variable that is."""
    if not isinstance(held, dict):
        return False
    if key == "value":
        return names_a_secret(str(held.get("name"))[-_LONGEST_NAME:])
    return _is_called(key) and not isinstance(held[key], dict | list | bool)


@lru_cache(maxsize=1024)
def _is_called(key: str) -> bool:
    return key == _APPLIED or _ENTRY.search(key[-_LONGEST_NAME:]) is not None


def _scalars(tree: Tree, value: Any, mark: Mark) -> Iterator[Mark]:
    if not isinstance(value, dict | list):
        yield mark
        return
    for held, key, below in _entries(tree, value):
        if not isinstance(held[key], dict | list):
            yield below


def _entries(tree: Tree, value: Any) -> Iterator[tuple[Any, Any, Mark]]:
    """All that stands in `value`: the mapping or list, the key or number, and its mark."""
    waiting, seen = [value], {id(value)}
    while waiting:
        held = waiting.pop()
        for key, mark in tree.marks.get(id(held), {}).items():
            yield held, key, mark
            below = held[key]
            if isinstance(below, dict | list) and id(below) not in seen:
                seen.add(id(below))
                waiting.append(below)
