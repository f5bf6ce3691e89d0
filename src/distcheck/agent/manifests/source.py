"""Files as text: what they are called, their lines, and the documents in them."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from distcheck.agent.manifests.yaml_tree import NotYamlError, Tree, chunks, read_tree

MOST_BYTES = 16 << 20
_TEMPLATE = re.compile(
    r"\{\{-?\s*(?:[.$\"(]|/\*|(?:if|range|with|include|define|template|end|toYaml|tpl|else|block"
    r"|fail|required|default|printf|quote)\b|\w{1,60}\s*\}\})"
)


class Problem(Struct, frozen=True):
    """What of the input was not judged, and why; `fatal` where it should have been readable.

    Lines and columns are from 1; 0 where the file as a whole is meant.
    """

    file: str
    line: int
    column: int
    says: str
    fatal: bool = True


class Source(Struct, frozen=True):
    """One file as it was read."""

    name: str
    lines: tuple[str, ...]


class Document(Struct, frozen=True):
    """One object of a file; `root` is the way to it inside a List."""

    source: Source
    tree: Tree
    root: tuple[str | int, ...] = ()

    @property
    def value(self) -> dict[str, Any]:
        """The object."""
        found = self.tree.value
        for step in self.root:
            found = found[step]
        return dict(found) if not isinstance(found, dict) else found


def decoded(name: str, data: bytes) -> str | Problem:
    """The text of a file: UTF-8, or UTF-16 with its mark; Windows line ends become plain."""
    if len(data) > MOST_BYTES:
        return Problem(name, 0, 0, f"larger than {MOST_BYTES >> 20} MiB: not read")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Problem(name, line, 1, f"not {encoding.upper()[:6].rstrip('-')} text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def documents(name: str, text: str) -> Iterator[Document | Problem]:
    """The objects of one file, and what could not be read of it."""
    source = Source(name, tuple(text.split("\n")))
    told_template = False
    for first, chunk in chunks(text):
        try:
            tree = read_tree(chunk, first)
        except NotYamlError as error:
            found = _TEMPLATE.search(chunk)
            if found is None:
                yield Problem(name, error.line + 1, error.column + 1, f"no YAML: {error.says}")
            elif not told_template:
                told_template = True
                line = first + chunk.count("\n", 0, found.start()) + 1
                yield Problem(name, line, 1, _UNRENDERED, fatal=False)
            continue
        if tree is not None and tree.value is not None:
            yield from _objects(source, tree, first)


_UNRENDERED = (
    "a template before it is rendered: not judged; of Helm give the output of `helm template`"
)


def _objects(source: Source, tree: Tree, first: int) -> Iterator[Document | Problem]:
    value = tree.value
    if isinstance(value, list):
        yield from _items(source, tree, (), value)
    elif not isinstance(value, dict):
        says = "a text or number where an object must be: nothing to judge"
        yield Problem(source.name, first + 1, 1, says, fatal=False)
    elif str(value.get("kind", "")).endswith("List") and isinstance(value.get("items"), list):
        yield from _items(source, tree, ("items",), value["items"])
    else:
        yield Document(source, tree)


def _items(
    source: Source, tree: Tree, way: tuple[str, ...], items: list[Any]
) -> Iterator[Document | Problem]:
    for number, item in enumerate(items):
        if isinstance(item, dict):
            yield Document(source, tree, (*way, number))
