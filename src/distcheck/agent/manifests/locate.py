"""From a spot in an object to a line and a column of a file."""

import re
from collections.abc import Iterator

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.hiding import Secrets, said, shown
from distcheck.agent.manifests.tree import Mark
from distcheck.checks.manifest.place import LINE, Spot
from distcheck.checks.manifest.report import At
from distcheck.pattern import pattern


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
    cut = max(0, min(column - MOST_SHOWN // 2, len(text) - MOST_SHOWN))
    named, words, space, made_from = (
        said(t, ()) for t in (named, words, thing.namespace, origin(held))
    )
    return At(
        source.name, line + 1, column + 1, end + 1, text[cut : cut + MOST_SHOWN], named, words,
        space, made_from, cut,
    )  # fmt: skip


MOST_SHOWN = 1000
"""Characters of a line that a finding carries: JSON may be one line of megabytes."""


def origin(held: Known) -> str:
    """The template that Helm made an object from, or the file that kustomize read.

    Helm writes `# Source: chart/templates/x.yaml` under the mark of each document, kustomize with
    `buildMetadata: [originAnnotations]` an annotation.
    """
    lines = held.document.source.lines
    for number in range(max(held.document.first_line, 0) - 1, -1, -1):
        if not lines[number].startswith("#"):
            break
        if found := _HELM.match(lines[number]):
            return found[1]
    told = held.thing.place.at("metadata", "annotations").text("config.kubernetes.io/origin")
    kept = _KUSTOMIZE.search(told[:1000])
    return kept[1] if kept else ""


_HELM = pattern(r"# Source: ([^\s:]{1,200}/[^\s:]{1,200}\.(?:ya?ml|json|tpl|txt))\s*\Z")
_KUSTOMIZE = pattern(r"^path: (\S{1,400})$", re.MULTILINE)


def covered(held: Known, spot: Spot) -> Iterator[tuple[int, int, int]]:
    """Each line of what is at `spot`, with its column and end, from 0."""
    lines = held.document.source.lines
    line, column, end = _range(held, spot, lines)
    yield line, column, end
    mark = held.document.tree.mark(held.way(spot.path))
    if mark is not None and not spot.text:
        yield from ((n, 0, len(lines[n])) for n in range(line + 1, min(mark.end_line, len(lines))))
        if mark.end_line > line and mark.end_line < len(lines):
            yield mark.end_line, 0, mark.end


def _range(held: Known, spot: Spot, lines: tuple[str, ...]) -> tuple[int, int, int]:
    """Line, column and end, from 0."""
    if spot.path[:1] == (LINE,):
        line, column = int(spot.path[1]), int(spot.path[2])
        return line, column, _word_end(lines, line, column)
    mark = held.document.tree.mark(held.way(spot.path))
    if mark is None:
        return max(held.document.first_line, 0), 0, 0
    if spot.text and (found := _inner(mark, spot.text, lines)) is not None:
        return found
    if spot.key:
        return mark.key_line, mark.key_column, _word_end(lines, mark.key_line, mark.key_column)
    end = mark.end if mark.end_line == mark.line else len(lines[mark.line].rstrip())
    return mark.line, mark.column, end


def _inner(mark: Mark, text: str, lines: tuple[str, ...]) -> tuple[int, int, int] | None:
    needle = text.partition("\n")[0]
    first: tuple[int, int, int] | None = None
    for line in range(mark.line, min(mark.end_line + 1, len(lines))):
        start = mark.column if line == mark.line else 0
        at = lines[line].find(needle, start)
        if at < 0 or not needle:
            continue
        found = line, at, at + len(needle)
        if not lines[line].lstrip().startswith("#") and not _goes_on(lines[line], found[2]):
            return found
        first = first or found
    return first


def _goes_on(line: str, end: int) -> bool:
    """Whether a longer word stands there: `serve` in `server`."""
    return line[end - 1 : end].isalnum() and line[end : end + 1].isalnum()


def _word_end(lines: tuple[str, ...], line: int, column: int) -> int:
    text = lines[line] if line < len(lines) else ""
    end = column
    while end < len(text) and (text[end].isalnum() or text[end] in "_-./\"'"):
        end += 1
    return max(end, column + 1)
