"""The one door to PyYAML for manifests: events to plain values that know where they stand.

libyaml's parser gives events without recursion; a hostile depth or a tree of aliases that would
grow is refused. Values are as `kubectl` reads them (YAML 1.1 switches and numbers), merge keys
are followed, and repeated keys are told.
"""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

MOST_EVENTS, MOST_DEPTH, MOST_VALUES = 400_000, 120, 400_000
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9_]{0,30})\Z", re.ASCII)
_OCTAL = re.compile(r"0o?[0-7]{1,20}\Z", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}\Z", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30}|[0-9]{1,30})"
                    r"(?:[eE][-+]?[0-9]{1,3})?\Z", re.ASCII)  # fmt: skip
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULLS = frozenset({"", "~", "null"})


class Mark(Struct, frozen=True):
    """Where a key and its value stand: lines and columns from 0; of an item both are the item's.

    `end_line` and `end` are behind the value. `style` is the scalar's quote (`'`, `"`, `|`, `>`),
    empty for a plain one, `{` or `[` for what is written on one line, None for other blocks.
    """

    key_line: int
    key_column: int
    line: int
    column: int
    end_line: int
    end: int
    style: str | None = ""


class Repeated(Struct, frozen=True):
    """A key that a mapping has twice: where it stands again."""

    key: str
    line: int
    column: int


class Tree(Struct):
    """One document: its value, and for each mapping and list (by `id`) where its entries stand."""

    value: Any = None
    marks: dict[int, dict[Any, Mark]] = field(default_factory=dict)
    repeated: list[Repeated] = field(default_factory=list)

    def mark(self, path: tuple[str | int, ...]) -> Mark | None:
        """Where `path` leads; as far as it goes where it goes on into nothing."""
        value, found = self.value, None
        for step in path:
            known = self.marks.get(id(value))
            if known is None or step not in known:
                return found
            found, value = known[step], value[step]
        return found


class NotYamlError(ValueError):
    """The text is no YAML that is read here; where, lines and columns from 0."""

    def __init__(self, says: str, line: int, column: int) -> None:
        super().__init__(says)
        self.says, self.line, self.column = says, line, column


def read_tree(text: str, first_line: int = 0) -> Tree | None:
    """The first document of `text`, whose first line is number `first_line`; None for none.

    Raises:
        NotYamlError: whatever is wrong with `text`.
    """
    import yaml  # type: ignore[import-untyped] # noqa: PLC0415 - its one door

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    built = _Builder(first_line)
    try:
        for number, event in enumerate(yaml.parse(text, Loader=loader)):
            if number > MOST_EVENTS:
                raise NotYamlError("more YAML than is read here", built.line, 0)
            built.take(event)
            if built.done:
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        says = _words(error, _character(text, line, column))
        raise NotYamlError(says, first_line + line, column) from error
    except yaml.YAMLError as error:
        raise NotYamlError(
            " ".join(str(error).split())[:200], *_spot(text, error, first_line)
        ) from error
    return built.tree if built.begun else None


def _spot(text: str, error: Any, first_line: int) -> tuple[int, int]:
    """Where a character stands that is not allowed at all."""
    before = text[: getattr(error, "position", 0) or 0]
    return first_line + before.count("\n"), len(before) - before.rfind("\n") - 1


def _words(error: Any, at: str) -> str:
    if at == "\t":
        return "a tab where spaces must be: YAML is indented by spaces only"
    says = " ".join(f"{error.problem or error}".split())[:200]
    context = " ".join((error.context or "").split())[:100]
    return f"{says} ({context})" if context else says


def _character(text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    return lines[line][column : column + 1] if line < len(lines) else ""


class _Open(Struct):
    """A mapping or list that is being read."""

    value: Any
    marks: dict[Any, Mark]
    anchor: str | None
    size: int = 1
    key: Any = None
    has_key: bool = False
    key_at: tuple[int, int] = (0, 0)
    start: tuple[int, int] = (0, 0)
    flow: bool = False
    merged: list[tuple[Any, Mark]] = field(default_factory=list)


class _Builder:
    def __init__(self, first_line: int) -> None:
        self.tree, self.done, self.begun = Tree(), False, False
        self.line = self._first = first_line
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._closing: dict[str, None] = {}
        self._values = 0

    def take(self, event: Any) -> None:
        name = type(event).__name__
        self.line = self._first + event.start_mark.line
        if name == "ScalarEvent":
            self._scalar(event)
        elif name in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin(event, {} if name[0] == "M" else [])
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            self._end(event)
        elif name == "AliasEvent":
            self._alias(event)
        elif name == "DocumentEndEvent":
            self.done = True

    def _scalar(self, event: Any) -> None:
        style = "" if event.implicit[0] else (event.style or "'")
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            top.key, top.has_key = str(event.value), True
            top.key_at = (self.line, event.start_mark.column)
            return
        plain = event.implicit[0] and event.style in (None, "")
        value = plain_value(event.value) if plain else event.value
        if event.tag in {"tag:yaml.org,2002:str", "!"}:
            value = event.value
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, event, event.start_mark, style, 1)

    def _begin(self, event: Any, new: Any) -> None:
        if len(self._open) >= MOST_DEPTH:
            raise NotYamlError("nested too deep", self.line, event.start_mark.column)
        self._no_key(event)
        start = (self.line, event.start_mark.column)
        marks: dict[Any, Mark] = {}
        self._open.append(_Open(new, marks, event.anchor, start=start, flow=bool(event.flow_style)))
        self.tree.marks[id(new)] = marks
        self._closing |= {event.anchor: None} if event.anchor else {}

    def _end(self, event: Any) -> None:
        done = self._open.pop()
        self._merge(done)
        if done.anchor:
            self._anchors[done.anchor] = (done.value, done.size)
            self._closing.pop(done.anchor, None)
        style = ("{" if isinstance(done.value, dict) else "[") if done.flow else None
        self._put(done.value, event, None, style, done.size, done.start)

    def _alias(self, event: Any) -> None:
        self._no_key(event)
        if event.anchor in self._closing:
            raise NotYamlError(f"*{event.anchor} holds itself", self.line, event.start_mark.column)
        if event.anchor not in self._anchors:
            raise NotYamlError(
                f"*{event.anchor}: there is no anchor of that name before it in this document",
                self.line,
                event.start_mark.column,
            )
        value, size = self._anchors[event.anchor]
        self._values += size
        if self._values > MOST_VALUES:
            raise NotYamlError("its aliases make it too large", self.line, 0)
        self._put(value, event, event.start_mark, "*", size)

    def _no_key(self, event: Any) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            says = "a mapping or list where a key must be"
            raise NotYamlError(says, self.line, event.start_mark.column)

    def _put(
        self, value: Any, event: Any, at: Any, style: str | None, size: int,
        start: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        if not self._open:
            self.tree.value, self.begun = value, True
            return
        top = self._open[-1]
        top.size += size
        line, column = start or (self._first + at.line, at.column)
        end = event.end_mark
        key_at = top.key_at if top.has_key else (line, column)
        mark = Mark(*key_at, line, column, self._first + end.line, end.column, style)
        if isinstance(top.value, list):
            top.marks[len(top.value)] = mark
            top.value.append(value)
            return
        key, top.has_key = top.key, False
        if key == "<<" and isinstance(value, dict | list):
            top.merged.append((value, mark))
            return
        if key in top.value:
            self.tree.repeated.append(Repeated(key, *key_at))
        top.value[key], top.marks[key] = value, mark

    def _merge(self, done: _Open) -> None:
        """`<<: *base`: what the mapping does not say itself; the first of several wins."""
        for held, _mark in done.merged:
            for one in held if isinstance(held, list) else [held]:
                if not isinstance(one, dict):
                    continue
                known = self.tree.marks.get(id(one), {})
                for key in [k for k in one if k not in done.value]:
                    done.value[key], done.marks[key] = one[key], known[key]


def plain_value(text: str) -> Any:
    """What an unquoted word means to `kubectl`."""
    if not text or text[0].isalpha() or text[0] == "~":
        folded = text.lower()
        if folded in _NULLS:
            return None
        return _SWITCHES.get(folded, text)
    if _INT.match(text):
        return int(text.replace("_", ""))
    if _OCTAL.match(text):
        return int(text.replace("o", ""), 8)
    if _HEX.match(text):
        return int(text, 16)
    return float(text) if _FLOAT.match(text) else text


def chunks(text: str) -> Iterator[tuple[int, str]]:
    """The documents of a stream as text, each with the number of its first line.

    Cut at the marks, so that one that cannot be read leaves the others.
    """
    start = 0
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if number > start and (line == "---" or line.startswith(("--- ", "---\t", "---\r"))):
            yield start, "\n".join(lines[start:number]) + "\n"
            start = number
    yield start, "\n".join(lines[start:])
