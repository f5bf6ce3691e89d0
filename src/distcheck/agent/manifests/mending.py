"""What `--fix` changes: text at known places, and what the document must then mean.

Only places that are changed are touched, so comments, order, anchors, quotes and line ends of all
else stay. A file whose text then means anything but the old value with these changes is left.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from distcheck.agent.manifests.bundles import Known, bundle_of, known
from distcheck.agent.manifests.comments import silenced
from distcheck.agent.manifests.lint import Asked, scopes
from distcheck.agent.manifests.locate import located
from distcheck.agent.manifests.source import Document, documents
from distcheck.agent.manifests.yaml_tree import Mark, NotYamlError, chunks, read_tree
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Step

Path = tuple[Step, ...]
QUOTES, SHM = "CONF070", "CONF060"
MENDS = (QUOTES, SHM)
"""The rules whose findings can be mended without knowing more than the file."""
_SIZE = "8Gi"
_TEXT, _NUMBER = "must be text", "must be a whole number"
_COUNT = re.compile("0|[1-9][0-9]{0,8}", re.ASCII)


class Edit(Struct, frozen=True):
    """Text from `column` to `end` of a line (from 0) becomes `text`."""

    line: int
    column: int
    end: int
    text: str


class Change(Struct, frozen=True):
    """Edits of one document, and what they make of its value."""

    document: Document
    edits: tuple[Edit, ...]
    apply: Callable[[Any], None]


class Unsafe(Exception):  # noqa: N818 - an answer, not an error
    """The place is not one that is changed by rule."""


def mended(read: Sequence[tuple[str, str]], asked: Asked) -> dict[str, str]:
    """By file, the text with everything mended that safely can be; files without a change are not there."""  # noqa: E501
    by_file: dict[str, list[Change]] = {}
    texts = dict(read)
    for change in _changes(read, asked):
        by_file.setdefault(change.document.source.name, []).append(change)
    found = {name: _mended_text(texts[name], changes) for name, changes in by_file.items()}
    return {name: text for name, text in found.items() if text is not None}


def _changes(read: Sequence[tuple[str, str]], asked: Asked) -> Iterator[Change]:
    found = [d for name, text in dict(read).items() for d in documents(name, text)]
    held, _ = known([d for d in found if isinstance(d, Document)])
    ways = [(r, _WAYS[r.id]) for r in asked.rules if r.id in _WAYS]
    for scope in scopes(held):
        bundle = bundle_of([k.thing for k in scope], [f for k in scope for f in k.flaws])
        by_number = {k.thing.place.of: k for k in scope}
        seen: set[tuple[Edit, ...]] = set()
        for rule, way in ways:
            for told in rule.judge(bundle):
                one = by_number[told.finding.spot.of]
                if told.finding.unseen or _is_silenced(one, rule.id, told.finding):
                    continue
                try:
                    change = way(one, told.finding)
                except Unsafe:
                    continue
                if change.edits not in seen:
                    seen.add(change.edits)
                    yield change


def _is_silenced(held: Known, rule: str, finding: Finding) -> bool:
    first = located(held, finding.spot.__class__(finding.spot.of)).line - 1
    line = located(held, finding.spot).line - 1
    return silenced(held.document.source, rule, line, first) is not None


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
    for change in changes:
        change.apply(wanted[_number(firsts, change)])
    return new if [v for _, v in after] == wanted else None


def _unshared(value: Any) -> Any:
    """A copy in which an alias is a value of its own: what changes there as well is seen."""
    if isinstance(value, dict):
        return {k: _unshared(v) for k, v in value.items()}
    return [_unshared(v) for v in value] if isinstance(value, list) else value


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


def _quoted(held: Known, finding: Finding) -> Change:
    """`8000` where text must be becomes `"8000"`, and `"2"` where a number must be `2`."""
    path = _inside(held, finding.spot.path)
    mark, value = _mark(held, path), _at(held.document.tree.value, path)
    line = held.document.source.lines[mark.line]
    raw = line[mark.column : mark.end]
    if mark.line != mark.end_line or mark.line != mark.key_line:
        raise Unsafe
    if mark.style == "" and isinstance(value, bool | int | float) and _TEXT in finding.says:
        new: Any = raw
        text = f'"{raw}"'
    elif mark.style in ("'", '"') and isinstance(value, str) and _NUMBER in finding.says:
        new, text = int(value) if _COUNT.fullmatch(value) else None, value
    else:
        raise Unsafe
    if new is None or not raw or raw[0] in "&*!|>":
        raise Unsafe
    return Change(held.document, (Edit(mark.line, mark.column, mark.end, text),), _set(path, new))


def _with_shm(held: Known, finding: Finding) -> Change:
    """A volume in memory, and its mount in the container of the ranks."""
    path = _inside(held, finding.spot.path)
    if "containers" not in path:
        raise Unsafe
    at = path.index("containers")
    spec, container = path[:at], path[: at + 2]
    root = held.document.tree.value
    own, pod = _at(root, container), _at(root, spec)
    if not isinstance(own, dict) or not isinstance(pod, dict) or _mounts_shm(own):
        raise Unsafe
    taken = [v.get("name") for v in _list(pod.get("volumes")) if isinstance(v, dict)]
    name = next(n for n in ("dshm", "distcheck-shm", "distcheck-shm-2") if n not in taken)
    volume = {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": _SIZE}}
    mount = {"name": name, "mountPath": "/dev/shm"}
    edits = (_added(held, spec, "volumes", volume), _added(held, container, "volumeMounts", mount))

    def apply(value: Any) -> None:
        for where, key, item in ((spec, "volumes", volume), (container, "volumeMounts", mount)):
            target = _at(value, where)
            there = list(target.get(key) or ())
            flow = bool(there) and _mark(held, (*where, key)).style == "["
            target[key] = [*there, item] if flow else [item, *there]

    return Change(held.document, edits, apply)


def _mounts_shm(container: dict[str, Any]) -> bool:
    """Whether something is to be there already, such as a volume that is written elsewhere."""
    mounts = container.get("volumeMounts")
    paths = [m.get("mountPath") for m in _list(mounts) if isinstance(m, dict)]
    return any(isinstance(p, str) and p.rstrip("/") == "/dev/shm" for p in paths)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_WAYS: dict[str, Callable[[Known, Finding], Change]] = {QUOTES: _quoted, SHM: _with_shm}


def _added(held: Known, where: Path, key: str, item: dict[str, Any]) -> Edit:
    """One more item in the list `key` of the mapping at `where`, in the style that is there."""
    there = _at(held.document.tree.value, (*where, key))
    lines = held.document.source.lines
    if isinstance(there, list) and there:
        mark = _mark(held, (*where, key))
        if mark.style == "[":
            last = _mark(held, (*where, key, len(there) - 1))
            return Edit(last.end_line, last.end, last.end, f", {_flow(item)}")
        if mark.style is not None or mark.line == mark.key_line:
            raise Unsafe
        return _below(lines, mark.key_line, _block(item, mark.column))
    if there is not None or key in _at(held.document.tree.value, where):
        raise Unsafe
    return _new_key(held, where, key, item)


def _new_key(held: Known, where: Path, key: str, item: dict[str, Any]) -> Edit:
    value = _at(held.document.tree.value, where)
    marks = held.document.tree.marks.get(id(value), {})
    lines = held.document.source.lines
    own = [marks[k] for k in value if k in marks]
    if _mark(held, where).style == "{":
        last = max(own, key=lambda m: (m.end_line, m.end))
        return Edit(last.end_line, last.end, last.end, f", {key}: [{_flow(item)}]")
    for mark in own:
        if lines[mark.key_line][: mark.key_column].strip() == "":
            pad = " " * mark.key_column
            return Edit(mark.key_line, 0, 0, f"{pad}{key}:\n{_block(item, mark.key_column)}\n")
    raise Unsafe


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


def _inside(held: Known, path: Path) -> Path:
    """The path in the document; fragments that are only a `spec` were given that key."""
    bare = held.thing.fragment and "spec" not in held.document.value
    return (*held.document.root, *(path[1:] if bare and path[:1] == ("spec",) else path))


def _mark(held: Known, path: Path) -> Mark:
    """Where `path` itself stands, not what an alias or a merge leads to."""
    value, found = held.document.tree.value, None
    for step in path:
        found = held.document.tree.marks.get(id(value), {}).get(step)
        if found is None or found.style == "*":
            raise Unsafe
        value = value[step]
    if found is None:
        raise Unsafe
    return found


def _at(value: Any, path: Path) -> Any:
    for step in path:
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        else:
            raise Unsafe
    return value


def _set(path: Path, new: Any) -> Callable[[Any], None]:
    def apply(value: Any) -> None:
        _at(value, path[:-1])[path[-1]] = new

    return apply
