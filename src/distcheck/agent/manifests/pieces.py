"""Parts of pods put together as Kubernetes' strategic merge does, with where each was written."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from distcheck.checks.manifest.pieced import Pieced, Trail
from distcheck.checks.manifest.place import Place

Raw = dict[str, Any]
_KEYS: Mapping[str, str] = {
    "containers": "name", "initContainers": "name", "env": "name", "volumes": "name",
    "volumeMounts": "mountPath", "ports": "containerPort", "imagePullSecrets": "name",
}  # fmt: skip
_WHOLE = frozenset({"env", "volumes"})
"""Items of these that are given twice are the later one, not both in one."""


class Pieces:
    """A value that grows, and the homes of its parts."""

    def __init__(self, home: Place) -> None:
        """`home` is where it stands where nothing says otherwise."""
        self._homes: dict[Trail, Place] = {(): home}
        self._home = home

    def place(self, value: Raw) -> Place:
        """The whole, as rules walk through it."""
        return Pieced(self._home.of, self._home.path, value, (), self._homes)

    def at(self, trail: Trail, home: Place) -> Any:
        """What stands at `home` is at `trail`; its value."""
        self._homes[trail] = home
        return home.value

    def each(self, trail: Trail, items: Iterable[tuple[Any, Place]]) -> list[Any]:
        """A list of values, each with its home."""
        found = list(items)
        for number, (_, home) in enumerate(found):
            self._homes[(*trail, number)] = home
        return [value for value, _ in found]

    def merged(self, trail: Trail, under: Place, over: Place) -> Any:
        """`over` put over `under`: mappings by key, lists of named items by name."""
        if not over or not under:
            return self.at(trail, over or under)
        if isinstance(under.value, dict) and isinstance(over.value, dict):
            self._homes[trail] = over
            keys = {**under.value, **over.value}
            return {k: self.merged((*trail, k), under.at(k), over.at(k)) for k in keys}
        name = _KEYS.get(str(trail[-1])) if trail else None
        if name and isinstance(under.value, list) and isinstance(over.value, list):
            return self._by_name(trail, name, under, over)
        return self.at(trail, over)

    def _by_name(self, trail: Trail, name: str, under: Place, over: Place) -> list[Any]:
        self._homes[trail] = over
        first, later = list(under.each()), list(over.each())
        taken = {_key(p, name): p for p in later}
        there = {_key(p, name) for p in first}
        pairs = [(p, taken.get(_key(p, name))) for p in first]
        pairs += [(p, None) for p in later if _key(p, name) not in there]
        found = []
        for number, (one, other) in enumerate(pairs):
            own = (*trail, number)
            if other is None or trail[-1] in _WHOLE:
                found.append(self.at(own, other or one))
            else:
                found.append(self.merged(own, one, other))
        return found


def _key(place: Place, name: str) -> Any:
    found = place.at(name).value
    return found if isinstance(found, str | int) else None


def only(place: Place, names: Collection[str]) -> Place:
    """The place with no other keys than these."""
    held = place.value if isinstance(place.value, dict) else {}
    kept = {k: v for k, v in held.items() if k in names}
    return Place(place.of, place.path, kept or None)
