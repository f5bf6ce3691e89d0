"""Files as text: what they are called, their lines, and the documents in them."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from distcheck.agent.manifests.other_files import (
    MOST_READ,
    OTHER_JSON,
    OTHER_YAML,
    is_other_json,
    is_other_yaml,
)
from distcheck.agent.manifests.streams import chunks
from distcheck.agent.manifests.tree import NotYamlError, Remarked, Tree
from distcheck.agent.manifests.yaml_tree import read_tree
from distcheck.agent.redact import HIDDEN, scrubbed
from distcheck.checks.manifest.report import NotJudged
from distcheck.pattern import pattern

MOST_BYTES = 16 << 20
_TEMPLATE = pattern(
    r"\{\{-?\s*(?:[.$\"(]|/\*|(?:if|range|with|include|define|template|end|toYaml|tpl|else|block"
    r"|fail|required|default|printf|quote)\b|\w{1,60}\s*\}\})"
)


class Problem(Struct, frozen=True):
    """What of the input was not judged, and why; `fatal` where it should have been readable.

    Lines and columns are from 1; 0 where the file as a whole is meant. `misspelt` is a comment or
    an annotation that is to silence a finding, and cannot. `bug`, `rule` and `trace` as of
    `NotJudged`.
    """

    file: str
    line: int
    column: int
    says: str
    fatal: bool = True
    misspelt: bool = False
    bug: bool = False
    rule: str = ""
    trace: str = ""

    @property
    def not_judged(self) -> NotJudged:
        """As a report tells it."""
        return NotJudged(
            self.file, self.line, self.column, self.says, self.fatal, self.misspelt, self.bug,
            self.rule, self.trace,
        )  # fmt: skip


class Part(Struct, frozen=True):
    """Lines of a file that are one document, from 0, and where no comment can stand in them."""

    first: int
    end: int
    texts: tuple[Remarked, ...] = ()


class Source(Struct, frozen=True, eq=False):
    """One file as it was read; `parts` are known once all its documents are."""

    name: str
    lines: tuple[str, ...]
    parts: list[Part] = []


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

    @property
    def first_line(self) -> int:
        """Where the object begins, from 0; -1 for an empty one."""
        marks = self.tree.marks.get(id(self.value), {})
        return min((m.key_line for m in marks.values()), default=-1)


def decoded(name: str, data: bytes) -> str | Problem:
    """The text of a file: UTF-8, or UTF-16 with its mark; Windows line ends become plain."""
    if len(data) > MOST_BYTES:
        start = data.decode(errors="replace")
        other = is_other_json(name, start) or is_other_yaml(name, start)
        return Problem(name, 0, 0, f"larger than {MOST_BYTES >> 20} MiB: not read", not other)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Problem(name, line, 1, f"not {encoding.upper()} text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def documents(name: str, text: str) -> Iterator[Document | Problem]:
    """The objects of one file, and what could not be read of it."""
    if len(text) > MOST_READ and is_other_json(name, text):
        yield Problem(name, 1, 1, OTHER_JSON, fatal=False)
        return
    source = Source(name, tuple(text.split("\n")))
    told_template = False
    for first, chunk in chunks(text):
        try:
            tree = read_tree(chunk, first)
        except NotYamlError as error:
            _add_part(source, first, chunk)
            why = _unreadable(source, text, chunk, first, error)
            if why.says != UNRENDERED or not told_template:
                yield why
            told_template = told_template or why.says == UNRENDERED
            continue
        _add_part(source, first, chunk, tree)
        if tree is not None and tree.value is not None:
            if _is_left_out(source, first, chunk):
                yield Problem(name, first + 1, 1, REST)
            yield from _objects(source, tree, first)
        if tree is not None and tree.rest is not None:
            other = is_other_json(name, text)
            says = OTHER_JSON if other else REST
            yield Problem(name, tree.rest[0] + 1, tree.rest[1] + 1, says, fatal=not other)


def _unreadable(source: Source, text: str, chunk: str, first: int, error: NotYamlError) -> Problem:
    """Why a document is not judged: a template, JSON of other tools, or what is wrong."""
    if found := _TEMPLATE.search(chunk):
        line = first + chunk.count("\n", 0, found.start()) + 1
        return Problem(source.name, line, 1, UNRENDERED, fatal=False)
    at = (source.name, error.line + 1, error.column + 1)
    if is_other_json(source.name, text):
        return Problem(*at, OTHER_JSON, fatal=False)
    if error.of_ours and is_other_yaml(source.name, text):
        return Problem(*at, OTHER_YAML, fatal=False)
    says = _told(source, chunk, error)
    return Problem(*at, says if error.of_ours else f"not valid YAML: {says}")


def _add_part(source: Source, first: int, chunk: str, tree: Tree | None = None) -> None:
    """JSON objects that share a line are one part."""
    end = first + chunk.count("\n") + (not chunk.endswith("\n"))
    texts = tuple(tree.texts) if tree else ()
    if source.parts and source.parts[-1].end > first:
        before = source.parts.pop()
        first, texts = before.first, (*before.texts, *texts)
    source.parts.append(Part(first, end, texts))


def _is_left_out(source: Source, first: int, chunk: str) -> bool:
    """Whether it follows `...` without a `---`, by which alone kubectl parts documents."""
    return source.lines[first - 1 : first] == ("...",) and "\n---" not in f"\n{chunk}"


def _told(source: Source, chunk: str, error: NotYamlError) -> str:
    """Without the name of an alias that may be a secret which begins with a star."""
    line = source.lines[error.line] if error.line < len(source.lines) else ""
    name, colon, says = error.says.partition(": ")
    hides = name[:1] == "*" and (_SECRET.search(chunk) or scrubbed(line) != line)
    return f"*{HIDDEN}{colon}{says}" if hides else error.says


_SECRET = pattern(r"\bkind[\"']?:[ \t]+[\"']?Secret\b")


REST = "the document has ended: kubectl leaves out what follows up to the next ---"
_NO_OBJECTS = "a list without an object in it: nothing to judge"
UNRENDERED = (
    "a template before it is rendered: not judged; of Helm give the output of `helm template`"
)


def _objects(source: Source, tree: Tree, first: int) -> Iterator[Document | Problem]:
    value = tree.value
    if isinstance(value, list):
        if not any(isinstance(item, dict) for item in value):
            yield Problem(source.name, first + 1, 1, _NO_OBJECTS, fatal=False)
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
