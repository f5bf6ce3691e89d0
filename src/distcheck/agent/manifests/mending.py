"""What `--fix` writes: text with changes after which it means what it must, and nothing else.

Only places that are changed are touched, so comments, order, anchors, quotes and line ends of all
else stay. A file whose text then means anything but the old value with these changes is left.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from distcheck.agent.manifests.changes import Change
from distcheck.agent.manifests.edits import Edit
from distcheck.agent.manifests.streams import chunks
from distcheck.agent.manifests.tree import NotYamlError
from distcheck.agent.manifests.yaml_tree import read_tree
from distcheck.checks.manifest.report import At
from distcheck.checks.manifest.report import Edit as ShownEdit

_MOST_ALONE = 50


class Mended(Struct, frozen=True):
    """A text with changes that are safe together."""

    text: str
    edits: frozenset[tuple[Edit, ...]]


def mended(read: Mapping[str, str], changes: Iterable[Change]) -> dict[str, Mended]:
    """By file, the text with those of `changes` that are safe; files without any are not there."""
    by_file: dict[str, dict[tuple[Edit, ...], Change]] = {}
    for change in changes:
        by_file.setdefault(change.document.source.name, {}).setdefault(change.edits, change)
    found = {n: _safe(read[n], tuple(those.values())) for n, those in by_file.items()}
    return {n: one for n, one in found.items() if one is not None}


def _safe(text: str, changes: tuple[Change, ...]) -> Mended | None:
    """With all of them, else with those that are safe alone: one under an anchor is not."""
    new = _mended_text(text, changes)
    if new is None or why_left(text, new):
        safe = [(c, one) for c in changes[:_MOST_ALONE] if (one := _mended_text(text, (c,)))]
        keeping = tuple(c for c, one in safe if why_left(text, one) is None)
        changes = keeping or tuple(c for c, _ in safe)
        new = _mended_text(text, changes) if changes else None
    return None if new is None else Mended(new, frozenset(c.edits for c in changes))


def why_left(old: str, new: str) -> str | None:
    """Why a file whose text is `old` is not to become `new`; None where it may."""
    pairs = zip(chunks(old), chunks(new), strict=False)
    if any(_is_json(one) and not _is_json(other) for (_, one), (_, other) in pairs):
        return "it is JSON, and what is missing can only be added to YAML"
    return None


def _is_json(text: str) -> bool:
    lines = (x for x in text.split("\n") if not x.startswith(("#", "---", "...", "%")))
    try:
        msgspec.json.decode("\n".join(lines))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True


def shown_edits(change: Change, at: At) -> tuple[ShownEdit, ...]:
    """The edits for who applies them; none where one would show what the finding's line hides."""
    line = change.document.source.lines[at.line - 1]
    end = at.cut + len(at.source)
    hides = at.source != line[at.cut : end]
    taken = [e for e in change.edits if e.end > e.column]
    if taken and (hides or any(e.column < at.cut or e.end > end for e in taken)):
        return ()
    return tuple(ShownEdit(e.line + 1, e.column + 1, e.end + 1, e.text) for e in change.edits)


def _mended_text(text: str, changes: Sequence[Change]) -> str | None:
    """None where the new text would not mean exactly the old one with the changes."""
    edits = sorted((e for c in changes for e in c.edits), key=lambda e: (e.line, e.column))
    lines = text.split("\n")
    for one in reversed(edits):
        lines[one.line] = lines[one.line][: one.column] + one.text + lines[one.line][one.end :]
    new = "\n".join(lines)
    before, after = _values(text), _values(new)
    wanted = [_unshared(v) for _, v in before]
    firsts = [first for first, _ in before]
    for change in sorted(changes, key=_adds):
        whole = wanted[_number(firsts, change)]
        if not isinstance(whole, dict | list):
            return None  # it cannot be read to its end, and is judged as far as it can
        change.apply(whole)
    return new if [v for _, v in after] == wanted else None


def _unshared(value: Any) -> Any:
    """A copy in which an alias is a value of its own: what changes there as well is seen."""
    if isinstance(value, dict):
        return {k: _unshared(v) for k, v in value.items()}
    return [_unshared(v) for v in value] if isinstance(value, list) else value


def _adds(change: Change) -> bool:
    """What adds an item to a list comes last: others' paths count the items that there were."""
    return any(edit.end == edit.column for edit in change.edits)


def _number(firsts: Sequence[int], change: Change) -> int:
    """Which document of the stream it is: the last one that begins above it."""
    line = min(e.line for e in change.edits)
    return max(n for n, first in enumerate(firsts) if first <= line)


def _values(text: str) -> list[tuple[int, Any]]:
    found: list[tuple[int, Any]] = []
    for first, chunk in chunks(text):
        try:
            tree = read_tree(chunk, first)
        except NotYamlError as error:
            found.append((first, error.says))
            continue
        found.append((first, None if tree is None else tree.value))
    return found
