"""What mends a finding, for the few rules where the file alone tells."""

import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from msgspec import Struct

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.edits import Edit, Path, Unsafe, mark_of, value_at
from distcheck.agent.manifests.inserting import added
from distcheck.agent.manifests.source import Document
from distcheck.checks.config.affinity_can_match import spelt
from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.finding import Finding, Told

QUOTES, SHM, OPERATORS = "CONF070", "CONF060", "CONF091"
_SIZE = "8Gi"
_TEXT, _NUMBER = "must be text", "must be a whole number"
_COUNT = re.compile("0|[1-9][0-9]{0,8}", re.ASCII)


class Change(Struct, frozen=True):
    """Edits of one document, and what they make of its value."""

    document: Document
    edits: tuple[Edit, ...]
    apply: Callable[[Any], None]


def change_of(held: Known, told: Told) -> Change | None:
    """What mends a finding of the object `held`; None where nothing that is safe does."""
    try:
        return _WAYS[told.id](held, told.finding)
    except Unsafe:
        return None


def _quoted(held: Known, finding: Finding) -> Change:
    """`8000` where text must be becomes `"8000"`, and `"2"` where a number must be `2`."""
    path = held.way(finding.spot.path)
    mark, value = mark_of(held, path), value_at(held.document.tree.value, path)
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


def _spelt(held: Known, finding: Finding) -> Change:
    """`exists` becomes `Exists`: nothing else can be meant, and the API server takes no other."""
    path = held.way(finding.spot.path)
    mark, value = mark_of(held, path), value_at(held.document.tree.value, path)
    raw = held.document.source.lines[mark.line][mark.column : mark.end]
    new = spelt(str(value))
    if (
        new in ("", value)
        or mark.line != mark.end_line
        or str(value) not in raw
        or raw[0] in "&*!|>"
    ):
        raise Unsafe
    text = raw.replace(str(value), new)
    return Change(held.document, (Edit(mark.line, mark.column, mark.end, text),), _set(path, new))


def _with_shm(held: Known, finding: Finding) -> Change:
    """A volume in memory, and its mount in the container of the ranks."""
    path = held.way(finding.spot.path)
    if "containers" not in path or path[-1] == "mountPath":
        raise Unsafe  # a volume is there, and its mount is at the wrong place
    at = path.index("containers")
    spec, container = path[:at], path[: at + 2]
    root = held.document.tree.value
    own, pod = value_at(root, container), value_at(root, spec)
    if not isinstance(own, dict) or not isinstance(pod, dict) or _mounts_shm(own):
        raise Unsafe
    taken = set(_volume_names(pod, root, held.document.root))
    name = next(n for n in _names() if n not in taken)
    volume = {"name": name, "emptyDir": {"medium": "Memory", "sizeLimit": _SIZE}}
    mount = {"name": name, "mountPath": "/dev/shm"}
    edits = (added(held, spec, "volumes", volume), added(held, container, "volumeMounts", mount))

    def apply(value: Any) -> None:
        for where, key, item in ((spec, "volumes", volume), (container, "volumeMounts", mount)):
            target = value_at(value, where)
            there = list(target.get(key) or ())
            flow = bool(there) and mark_of(held, (*where, key)).style == "["
            target[key] = [*there, item] if flow else [item, *there]

    return Change(held.document, edits, apply)


def _volume_names(pod: dict[str, Any], root: Any, way: Path) -> Iterator[Any]:
    """What volumes are called already, and what is mounted though it is written elsewhere."""
    own = value_at(root, way)
    spec = own.get("spec") if isinstance(own, dict) else None
    spec = spec if isinstance(spec, dict) else {}
    for held in (spec, spec.get("leaderWorkerTemplate")):
        claims = _list(held.get("volumeClaimTemplates")) if isinstance(held, dict) else []
        named = (c.get("metadata") for c in claims if isinstance(c, dict))
        yield from (m.get("name") for m in named if isinstance(m, dict))
    found = _list(pod.get("volumes"))
    for part in ("containers", "initContainers"):
        for one in _list(pod.get(part)):
            found = found + _list(one.get("volumeMounts") if isinstance(one, dict) else None)
    yield from (str(v.get("name")) for v in found if isinstance(v, dict))


def _names() -> Iterator[str]:
    yield "dshm"
    yield "distcheck-shm"
    yield from (f"distcheck-shm-{n}" for n in count(2))


def _mounts_shm(container: dict[str, Any]) -> bool:
    """Whether something is to be there already, such as a volume that is written elsewhere."""
    mounts = container.get("volumeMounts")
    paths = [m.get("mountPath") for m in _list(mounts) if isinstance(m, dict)]
    return any(mounted_at(p) == "/dev/shm" for p in paths)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _set(path: Path, new: Any) -> Callable[[Any], None]:
    def apply(value: Any) -> None:
        value_at(value, path[:-1])[path[-1]] = new

    return apply


_WAYS: dict[str, Callable[[Known, Finding], Change]] = {
    QUOTES: _quoted,
    SHM: _with_shm,
    OPERATORS: _spelt,
}
