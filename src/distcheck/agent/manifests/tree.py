"""One YAML document: its plain value, and where each entry of it stands."""

from typing import Any

from msgspec import Struct, field


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
    """A key that a mapping has twice: where it stands again; `alike` if with the same text.

    `first` is the line and column where it stands before.

    One that `begins` is the first of another object, which no `---` parts from the one above.
    """

    key: str
    line: int
    column: int
    alike: bool = False
    first: tuple[int, int] = (0, 0)
    begins: bool = False


class Remarked(Struct, frozen=True):
    """A quoted text or a block that speaks of distcheck: from where to where, lines from 0."""

    line: int
    column: int
    end_line: int
    end: int
    block: bool


class Tree(Struct):
    """One document: its value, and for each mapping and list (by `id`) where its entries stand.

    `lost` are values that the same key replaces further down; in `texts` no comment can stand.
    `rest` is where something follows that is no part of it, line and column from 0.
    """

    value: Any = None
    marks: dict[int, dict[Any, Mark]] = field(default_factory=dict)
    repeated: list[Repeated] = field(default_factory=list)
    lost: list[tuple[str, Any, Mark]] = field(default_factory=list)
    texts: list[Remarked] = field(default_factory=list)
    rest: tuple[int, int] | None = None

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
    """The text is no YAML that is read here; where, lines and columns from 0.

    `of_ours`: it may be YAML, and it is above a limit of ours.
    """

    def __init__(self, says: str, line: int, column: int, *, of_ours: bool = False) -> None:
        super().__init__(says)
        self.says, self.line, self.column, self.of_ours = says, line, column, of_ours
