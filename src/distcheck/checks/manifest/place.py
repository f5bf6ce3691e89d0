"""Where something stands in an object, and walking there without minding what is absent."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

Step = str | int


class Spot(Struct, frozen=True):
    """A place to point at: object number `of`, the path inside it, and `text` inside that value.

    With `key` the key is meant, not its value. Files and lines are known to who read them: the
    same spot of a live object is told by its path.
    """

    of: int
    path: tuple[Step, ...] = ()
    text: str = ""
    key: bool = False

    def at(self, *steps: Step) -> "Spot":
        """The spot below this one."""
        return Spot(self.of, (*self.path, *steps))

    def within(self, text: str) -> "Spot":
        """To point at `text` inside the value."""
        return Spot(self.of, self.path, text)

    @property
    def words(self) -> str:
        """The path as people write it: `spec.containers[0].env[2].value`."""
        told = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.path)
        return told.removeprefix(".")


class Place(Struct, frozen=True):
    """A value and where it stands. What is absent, or of another type, is an empty place."""

    of: int
    path: tuple[Step, ...]
    value: Any

    @property
    def spot(self) -> Spot:
        """To point at it."""
        return Spot(self.of, self.path)

    @property
    def key(self) -> Spot:
        """To point at its key."""
        return Spot(self.of, self.path, key=True)

    def at(self, *steps: Step) -> "Place":
        """The place below, by keys and numbers."""
        value = self.value
        for step in steps:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            else:
                known = isinstance(value, list | tuple) and step < len(value)
                value = value[step] if known else None
        return Place(self.of, (*self.path, *steps), value)

    def each(self, *steps: Step) -> Iterator["Place"]:
        """The items of the list below."""
        below = self.at(*steps) if steps else self
        for number in range(len(below.value) if isinstance(below.value, list | tuple) else 0):
            yield below.at(number)

    def fields(self, *steps: Step) -> Iterator[tuple[str, "Place"]]:
        """The keys and places of the mapping below."""
        below = self.at(*steps) if steps else self
        for name in below.value if isinstance(below.value, dict) else ():
            yield name, below.at(name)

    def text(self, *steps: Step) -> str:
        """The text below; empty where there is none."""
        value = self.at(*steps).value
        return value if isinstance(value, str) else ""

    def number(self, *steps: Step) -> int | None:
        """The whole number below; None where there is none."""
        value = self.at(*steps).value
        return value if type(value) is int else None

    def __bool__(self) -> bool:
        """Whether anything stands here."""
        return self.value is not None


NO_NAME = "(no name)"
"""How messages call what should have a name, and has none."""


def titled(kind: str, name: str) -> str:
    """An object as messages call it; values of a chart have no name that could be missing."""
    return kind if kind.endswith("values") and not name else f"{kind} {name or NO_NAME}"


LINE = "@"
"""The first step of a path that is a line and a column, where there is no better one."""


def line_spot(of: int, line: int, column: int) -> Spot:
    """A spot by line and column from 0, for what has no path: a key that stands twice."""
    return Spot(of, (LINE, line, column))
