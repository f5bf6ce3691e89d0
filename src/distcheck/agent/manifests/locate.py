"""From a spot in an object to a line and a column of a file."""

from collections.abc import Iterator

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.hiding import Secrets, shown
from distcheck.agent.manifests.yaml_tree import Mark
from distcheck.checks.manifest.place import LINE, Spot, Step
from distcheck.checks.manifest.report import At


def located(held: Known, spot: Spot, secrets: Secrets | None = None) -> At:
    """Where `spot` is; the line that is shown is without `secrets`."""
    source = held.document.source
    line, column, end = _range(held, spot, source.lines)
    text = source.lines[line] if line < len(source.lines) else ""
    text = shown(text, (secrets or {}).get((source.name, line), ()))
    thing = held.thing
    named = f"{thing.kind}/{thing.name}" if thing.name else thing.kind
    words = "" if spot.path[:1] == (LINE,) else spot.words
    column, end = min(column, len(text)), min(max(end, column + 1), max(len(text), column + 1))
    return At(held.document.source.name, line + 1, column + 1, end + 1, text, named, words)


def covered(held: Known, spot: Spot) -> Iterator[tuple[int, int, int]]:
    """Each line of what is at `spot`, with its column and end, from 0."""
    lines = held.document.source.lines
    line, column, end = _range(held, spot, lines)
    yield line, column, end
    mark = held.document.tree.mark((*held.document.root, *_inside(held, spot.path)))
    if mark is not None and not spot.text:
        yield from ((n, 0, len(lines[n])) for n in range(line + 1, min(mark.end_line, len(lines))))
        if mark.end_line > line and mark.end_line < len(lines):
            yield mark.end_line, 0, mark.end


def _range(held: Known, spot: Spot, lines: tuple[str, ...]) -> tuple[int, int, int]:
    """Line, column and end, from 0."""
    if spot.path[:1] == (LINE,):
        line, column = int(spot.path[1]), int(spot.path[2])
        return line, column, _word_end(lines, line, column)
    mark = held.document.tree.mark((*held.document.root, *_inside(held, spot.path)))
    if mark is None:
        return _first_line(held), 0, 0
    if spot.text and (found := _inner(mark, spot.text, lines)) is not None:
        return found
    if spot.key:
        return mark.key_line, mark.key_column, _word_end(lines, mark.key_line, mark.key_column)
    end = mark.end if mark.end_line == mark.line else len(lines[mark.line].rstrip())
    return mark.line, mark.column, end


def _inside(held: Known, path: tuple[Step, ...]) -> tuple[Step, ...]:
    """Fragments that are only a `spec` were given that key."""
    is_bare = held.thing.fragment and "spec" not in held.document.value
    return path[1:] if is_bare and path[:1] == ("spec",) else path


def _inner(mark: Mark, text: str, lines: tuple[str, ...]) -> tuple[int, int, int] | None:
    needle = text.partition("\n")[0]
    for line in range(mark.line, min(mark.end_line + 1, len(lines))):
        start = mark.column if line == mark.line else 0
        at = lines[line].find(needle, start)
        if at >= 0 and needle:
            return line, at, at + len(needle)
    return None


def _word_end(lines: tuple[str, ...], line: int, column: int) -> int:
    text = lines[line] if line < len(lines) else ""
    end = column
    while end < len(text) and (text[end].isalnum() or text[end] in "_-./\"'"):
        end += 1
    return max(end, column + 1)


def _first_line(held: Known) -> int:
    marks = held.document.tree.marks.get(id(held.document.value), {})
    return min((m.key_line for m in marks.values()), default=0)
