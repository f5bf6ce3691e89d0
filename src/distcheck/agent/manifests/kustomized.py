"""What a kustomization of the input changes in the files that it names.

What is missing there, or is not yet what it will be, is no error.
"""

import os.path
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.files import folder_of
from distcheck.agent.manifests.source import Document
from distcheck.agent.manifests.unrendered import is_kustomization
from distcheck.checks.manifest.finding import Told
from distcheck.pattern import pattern

_PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902")
_ALL = ("components", "replacements", "transformers")
_RENAMING = ("namePrefix", "nameSuffix")
_IMAGE, _CALLED = "CONF075", "CONF030"
_WRITTEN_WRONG = frozenset(
    f"CONF{n:03}" for n in (41, 44, 46, 70, 71, 72, 73, 74, 76, 85, 91, 92, 96)
)
"""Rules of what stands there: a patch that adds what is missing leaves it as it is."""
_KIND, _NAME = pattern(r"(?m)^kind:[ \t]*(\w+)"), pattern(r"(?m)^[ \t]+name:[ \t]*([\w.-]+)")
_MOST = 1_000


class _Aim(Struct, frozen=True):
    """What one entry changes; None is any. `renames` is a prefix or suffix of names."""

    kind: str | None = None
    name: str | None = None
    image: str | None = None
    renames: bool = False


class _Changes(Struct, frozen=True):
    file: str
    aims: tuple[_Aim, ...]


class Kustomized(Struct, frozen=True):
    """By file, the kustomizations that change what is in it; and the files that are patches.

    `inner` are kustomizations that others build upon.
    """

    by_file: Mapping[str, tuple[_Changes, ...]]
    patches: frozenset[str] = frozenset()
    inner: frozenset[str] = frozenset()

    def without_patches(self, held: Iterable[Known]) -> list[Known]:
        """The same, where a file that is named as a patch holds no object of its own."""
        return [
            replace(k, thing=replace(k.thing, patch=True))
            if k.document.source.name in self.patches else k
            for k in held
        ]  # fmt: skip

    def unseen(self, held: Known, told: Told) -> str:
        """What may mend this finding, in words; empty where nothing does."""
        for changes in self.by_file.get(held.document.source.name, ()):
            if any(_meets(a, held, told) for a in changes.aims):
                return f"what {changes.file} changes"
        return ""


def kustomized(documents: Sequence[Document]) -> Kustomized:
    """What the kustomizations among `documents` change."""
    own = {folder_of(d.source.name): d for d in documents if is_kustomization(d.source.name)}
    by_file: dict[str, tuple[_Changes, ...]] = {}
    for folder, document in own.items():
        aims = tuple(_aims(document.value, folder, documents))
        for name in _reached(folder, own) if aims else ():
            by_file[name] = (*by_file.get(name, ()), _Changes(document.source.name, aims))
    patches = (p for folder, d in own.items() for p in _patches(folder, d.value))
    return Kustomized(by_file, frozenset(patches), frozenset(_inner(own)))


def _inner(own: Mapping[str, Document]) -> Iterator[str]:
    for folder, document in own.items():
        for word in _words(document.value, "resources", "bases", "components"):
            at = os.path.normpath(f"{folder}/{word}")
            if at in own and at != folder:
                yield own[at].source.name


def _patches(folder: str, value: Mapping[str, Any]) -> Iterator[str]:
    """The files that are put into others."""
    for one in (one for key in _PATCHES for one in _list(value.get(key))):
        path = one.get("path") if isinstance(one, dict) else one
        if isinstance(path, str):
            yield os.path.normpath(f"{folder}/{path}")


def _reached(folder: str, own: Mapping[str, Document]) -> Iterator[str]:
    """The files that end up in what is built in `folder`."""
    waiting, seen = [folder], {folder}
    while waiting:
        here = waiting.pop()
        for word in _words(own[here].value, "resources", "bases"):
            at = os.path.normpath(f"{here}/{word}")
            if at in own and at not in seen and len(seen) < _MOST:
                seen.add(at)
                waiting.append(at)
            elif at not in own:
                yield at


def _aims(value: Mapping[str, Any], folder: str, documents: Sequence[Document]) -> Iterator[_Aim]:
    for key in _PATCHES:
        for one in _list(value.get(key)):
            yield from _aims_of(one, folder, documents)
    if any(value.get(key) for key in _ALL):
        yield _Aim()
    if any(value.get(key) for key in _RENAMING):
        yield _Aim(renames=True)
    yield from (_Aim(name=name) for name in _named(value.get("replicas")))
    yield from (_Aim(image=name) for name in _named(value.get("images")))


def _named(entries: Any) -> list[str]:
    return [str(one.get("name")) for one in _list(entries) if isinstance(one, dict)]


def _aims_of(one: Any, folder: str, documents: Iterable[Document]) -> Iterator[_Aim]:
    """A patch by its `target`, by the file it stands in, or by its own words."""
    patch = one if isinstance(one, dict) else {"path": one, "patch": one}
    target = patch.get("target")
    at = os.path.normpath(f"{folder}/{patch.get('path') or ''}")
    files = [d.value for d in documents if d.source.name == at]
    if isinstance(target, dict):
        yield _Aim(_text(target.get("kind")))
    elif files:
        for value in files:
            meta = value.get("metadata")
            name = meta.get("name") if isinstance(meta, dict) else None
            yield _Aim(_text(value.get("kind")), _text(name))
    else:
        words = str(patch.get("patch") or "")
        kind, name = _KIND.search(words), _NAME.search(words)
        yield _Aim(kind[1] if kind else None, name[1] if name else None)


def _meets(aim: _Aim, held: Known, told: Told) -> bool:
    if aim.renames:
        return told.id == _CALLED
    if aim.image is not None:
        found = held.thing.place.at(*told.finding.spot.path).text()
        return told.id == _IMAGE and found.partition("@")[0].partition(":")[0] == aim.image
    named = aim.name in (None, held.thing.name) and aim.kind in (None, held.thing.kind)
    return named and told.id not in _WRITTEN_WRONG


def _words(value: Mapping[str, Any], *keys: str) -> Iterator[str]:
    yield from (one for key in keys for one in _list(value.get(key)) if isinstance(one, str))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
