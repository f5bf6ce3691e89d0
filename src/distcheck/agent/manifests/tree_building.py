"""A tree from the events of a YAML parser, without recursion.

A hostile depth, or aliases that would grow, are refused. Merge keys are followed, and repeated
keys are told.
"""

from bisect import bisect_right
from typing import Any

from msgspec import Struct, field

from distcheck.agent.manifests.scalars import plain_value
from distcheck.agent.manifests.tree import Mark, NotYamlError, Remarked, Repeated, Tree

MOST_DEPTH, MOST_VALUES = 120, 400_000


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


class Builder:
    """Takes events of one document; `done` behind its last, `begun` once it has a value."""

    def __init__(self, first_line: int, starts: list[int] | None) -> None:
        self.tree, self.done, self.begun = Tree(), False, False
        self._starts = starts
        self.line = self._first = first_line
        self._column = 0
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._closing: dict[str, None] = {}
        self._values = 0

    def take(self, event: Any) -> None:
        """One event of PyYAML, in order. Raises `NotYamlError` for what no object can hold."""
        name = type(event).__name__
        self.line, self._column = self.at(event.start_mark)
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

    def at(self, mark: Any) -> tuple[int, int]:
        """Line and column of a mark, as an editor counts them."""
        if self._starts is None:
            return self._first + mark.line, mark.column
        number = bisect_right(self._starts, mark.index) - 1
        return self._first + number, mark.index - self._starts[number]

    def _scalar(self, event: Any) -> None:
        style = "" if event.implicit[0] else (event.style or "'")
        if style and "#" in event.value and "distcheck" in event.value.lower():
            end = self.at(event.end_mark)
            self.tree.texts.append(Remarked(self.line, self._column, *end, style in "|>"))
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            top.key, top.has_key = str(event.value), True
            top.key_at = (self.line, self._column)
            return
        plain = event.implicit[0] and event.style in (None, "")
        value = plain_value(event.value) if plain else event.value
        if event.tag in {"tag:yaml.org,2002:str", "!"}:
            value = event.value
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._put(value, event, style, 1)

    def _begin(self, event: Any, new: Any) -> None:
        if len(self._open) >= MOST_DEPTH:
            says = f"not read: nested deeper than the {MOST_DEPTH} levels that distcheck reads"
            raise NotYamlError(says, self.line, self._column, of_ours=True)
        self._no_key()
        start = (self.line, self._column)
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
        self._put(done.value, event, style, done.size, done.start)

    def _alias(self, event: Any) -> None:
        self._no_key()
        if event.anchor in self._closing:
            raise NotYamlError(f"*{event.anchor} holds itself", self.line, self._column)
        if event.anchor not in self._anchors:
            raise NotYamlError(
                f"*{event.anchor}: there is no anchor of that name before it in this document",
                self.line,
                self._column,
            )
        value, size = self._anchors[event.anchor]
        self._values += size
        if self._values > MOST_VALUES:
            says = f"not read: its aliases make more than {MOST_VALUES:,} values"
            raise NotYamlError(says, self.line, 0, of_ours=True)
        self._put(value, event, "*", size)

    def _no_key(self) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.value, dict) and not top.has_key:
            says = "a mapping or list where a key must be"
            raise NotYamlError(says, self.line, self._column)

    def _put(
        self, value: Any, event: Any, style: str | None, size: int,
        start: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        if not self._open:
            self.tree.value, self.begun = value, True
            return
        top = self._open[-1]
        top.size += size
        line, column = start or (self.line, self._column)
        key_at = top.key_at if top.has_key else (line, column)
        mark = Mark(*key_at, line, column, *self.at(event.end_mark), style)
        if isinstance(top.value, list):
            top.marks[len(top.value)] = mark
            top.value.append(value)
            return
        key, top.has_key = top.key, False
        if key == "<<" and isinstance(value, dict | list):
            top.merged.append((value, mark))
            return
        if key in top.value:
            alike = not isinstance(value, dict | list) and top.value[key] == value
            before = top.marks[key]
            first = (before.key_line, before.key_column)
            self.tree.repeated.append(Repeated(key, *key_at, alike, first))
            self.tree.lost.append((key, top.value[key], top.marks[key]))
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
