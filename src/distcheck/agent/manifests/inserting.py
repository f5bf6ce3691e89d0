"""One more item of a list, written in the style that is there."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.edits import Edit, Path, Unsafe, mark_of, value_at
from distcheck.agent.manifests.tree import Mark, Tree


def added(held: Known, where: Path, key: str, item: dict[str, Any]) -> Edit:
    """One more item in the list `key` of the mapping at `where`, in the style that is there."""
    there = value_at(held.document.tree.value, (*where, key))
    lines = held.document.source.lines
    if isinstance(there, list) and there:
        mark = mark_of(held, (*where, key))
        if mark.style == "[":
            last = mark_of(held, (*where, key, len(there) - 1))
            return Edit(last.end_line, last.end, last.end, f", {_flow(item)}")
        if mark.style is not None or mark.line == mark.key_line:
            raise Unsafe
        return _below(lines, mark.key_line, _block(item, mark.column))
    if there == [] and (mark := mark_of(held, (*where, key))).line == mark.end_line:
        return Edit(mark.line, mark.column, mark.end, f"[{_flow(item)}]")
    if there is not None or key in value_at(held.document.tree.value, where):
        raise Unsafe
    return _new_key(held, where, key, item)


def _new_key(held: Known, where: Path, key: str, item: dict[str, Any]) -> Edit:
    value = value_at(held.document.tree.value, where)
    marks = held.document.tree.marks.get(id(value), {})
    lines = held.document.source.lines
    own = [marks[k] for k in value if k in marks]
    if mark_of(held, where).style == "{":
        last = max(own, key=lambda m: (m.end_line, m.end))
        return Edit(last.end_line, last.end, last.end, f", {key}: [{_flow(item)}]")
    for mark in own:
        if lines[mark.key_line][: mark.key_column].strip() == "":
            pad = " " * mark.key_column
            line = _above_comments(held, mark)
            column = mark.key_column + _indent(held, where)
            return Edit(line, 0, 0, f"{pad}{key}:\n{_block(item, column)}\n")
    raise Unsafe


def _indent(held: Known, where: Path) -> int:
    """How far dashes stand behind their key, by the nearest list that is written so."""
    root = held.document.tree.value
    lists = [(*where, k) for k, v in value_at(root, where).items() if v and isinstance(v, list)]
    around = (where[:n] for n in range(len(where), 0, -1))
    for path in (*lists, *(p for p in around if isinstance(value_at(root, p), list))):
        with suppress(Unsafe):  # an alias says nothing of how lists are written here
            mark = mark_of(held, path)
            if mark.style is None and mark.line > mark.key_line:
                return max(mark.column - mark.key_column, 0)
    return 0


def _above_comments(held: Known, mark: Mark) -> int:
    """The line of a key, or of the first of the comments that belong to it."""
    lines, found = held.document.source.lines, mark.key_line
    texts: set[int] | None = None
    for number in range(mark.key_line - 1, -1, -1):
        text = lines[number].lstrip()
        if text and not text.startswith("#"):
            break
        texts = texts if texts is not None else set(_in_texts(held.document.tree))
        if number in texts:
            break
        column = len(lines[number]) - len(text)
        if text and column > mark.key_column and "distcheck" not in text:
            break
        found = number if text else found
    return found


def _in_texts(tree: Tree) -> Iterator[int]:
    """Lines of texts of several lines, which hold no comments."""
    for mark in (m for those in tree.marks.values() for m in those.values()):
        if mark.style and mark.style in "|>'\"" and mark.end_line > mark.line:
            yield from range(mark.line + 1, mark.end_line + (mark.end > 0))


def _below(lines: Sequence[str], line: int, text: str) -> Edit:
    end = len(lines[line])
    return Edit(line, end, end, f"\n{text}")


def _flow(item: Any) -> str:
    if isinstance(item, dict):
        return "{" + ", ".join(f"{k}: {_flow(v)}" for k, v in item.items()) + "}"
    return str(item)


def _block(item: dict[str, Any], column: int) -> str:
    """A list item whose dash is at `column`."""
    pad = " " * column
    lines = [line for k, v in item.items() for line in _lines(k, v)]
    return "\n".join(f"{pad}{'- ' if n == 0 else '  '}{line}" for n, line in enumerate(lines))


def _lines(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{key}: {value}"
        return
    yield f"{key}:"
    yield from (f"  {line}" for k, v in value.items() for line in _lines(k, v))
