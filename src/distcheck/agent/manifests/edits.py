"""Where text of a manifest may be changed: edits, and places by path."""

from typing import Any

from msgspec import Struct

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.tree import Mark
from distcheck.checks.manifest.place import Step

Path = tuple[Step, ...]


class Edit(Struct, frozen=True):
    """Text from `column` to `end` of a line (from 0) becomes `text`."""

    line: int
    column: int
    end: int
    text: str


class Unsafe(Exception):  # noqa: N818 - an answer, not an error
    """The place is not one that is changed by rule."""


def mark_of(held: Known, path: Path) -> Mark:
    """Where `path` itself stands, not what an alias or a merge leads to. Raises `Unsafe`."""
    value, found = held.document.tree.value, None
    for step in path:
        found = held.document.tree.marks.get(id(value), {}).get(step)
        if found is None or found.style == "*":
            raise Unsafe
        value = value[step]
    if found is None:
        raise Unsafe
    return found


def value_at(value: Any, path: Path) -> Any:
    """What `path` leads to in `value`. Raises `Unsafe` where it leads nowhere."""
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        else:
            raise Unsafe
    return value
