"""The annotation `distcheck.io/ignore: CONF075 reason`, of an object or of a pod template."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from distcheck.checks.manifest.place import Place, Spot, Step
from distcheck.pattern import pattern

ANNOTATION = "distcheck.io/ignore"
_ENTRY = pattern(r"\s*(CONF\d{3}(?:[ \t]*,[ \t]*CONF\d{3})*)(?:[ \t:-]+(\S.*)?)?\Z", 2)
_ID = pattern(r"\bCONF\w*", 2)
_LONGEST, _CAN_SAY = 4096, 200
_PLAIN = frozenset({"containers", "env", "args", "command", "data", "stringData", "labels"})
"""Fields in which nothing has annotations of its own."""


def ignored(root: Place, path: tuple[Step, ...], rule: str) -> str | None:
    """The reason why `rule` is silent at `path` of an object; None where nothing silences it.

    Entries are parted by semicolons or lines; what stands nearest to the place counts.
    """
    found = silencing(root, path, rule)
    return found[1] if found else None


def silencing(root: Place, path: tuple[Step, ...], rule: str) -> tuple[Spot, str] | None:
    """The annotation that silences `rule` at `path`, and its reason."""
    told = ((held.spot, _entries(held.text()).get(rule)) for held in _annotated(root, path))
    return next(((spot, reason) for spot, reason in told if reason is not None), None)


def _annotated(root: Place, path: tuple[Step, ...]) -> Iterator[Place]:
    """The annotation of what lies on the way to `path`, the nearest first."""
    for length in range(len(path), -1, -1):
        meta = root.at(*path[:length], "metadata", "annotations", ANNOTATION)
        if meta.text():
            yield meta


def annotations(root: Place) -> Iterator[Place]:
    """Every such annotation in an object: its own, and those of what it makes."""
    waiting, seen = [root], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one.value) in seen or not isinstance(one.value, dict | list):
            continue
        seen.add(id(one.value))
        held = one.at("metadata", "annotations", ANNOTATION)
        if held.text():
            yield held
        below = one.fields() if isinstance(one.value, dict) else ((0, p) for p in one.each())
        waiting += [p for name, p in below if name not in _PLAIN]


def silences(held: Place) -> Iterator[str]:
    """The rules that an annotation is about."""
    yield from _entries(held.text())


def misspelt(held: Place, rules: Collection[str]) -> str:
    """Why an annotation, or a part of it, can silence nothing; empty where all of it can."""
    for part in _parts(held.text()):
        strange = next((i for i in _ID.findall(part) if i.upper() not in rules), "")
        if strange and not _ENTRY.match(part):
            return f"{strange[:20]} is no rule: `distcheck list --rules` names them all"
        unknown = [i for i in _entries(part) if i not in rules]
        if unknown:
            return f"{unknown[0]} is no rule: `distcheck list --rules` names them all"
        if not _ENTRY.match(part):
            return f"this annotation silences nothing: `{ANNOTATION}: CONF075 reason` would"
    return ""


def _parts(text: str) -> Iterator[str]:
    every = (part.strip() for part in text[:_LONGEST].replace("\n", ";").split(";"))
    return (part for part in every if part)


def _entries(text: str) -> Mapping[str, str]:
    found: dict[str, Any] = {}
    for part in _parts(text):
        entry = _ENTRY.match(part)
        if entry is not None:
            reason = (entry[2] or "no reason given").strip()[:_CAN_SAY]
            found |= {i.strip().upper(): reason for i in entry[1].split(",")}
    return found
