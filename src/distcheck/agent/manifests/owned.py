"""Objects that a controller made: `kubectl get -o yaml` has them beside what makes them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from distcheck.agent.manifests.made import Made
from distcheck.agent.manifests.making import BY_ENGINE, makes
from distcheck.agent.manifests.others import Others
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place

_BY_LWS = frozenset({"LeaderWorkerSet", "Pod"})
"""Of a StatefulSet: lws makes one of leaders, and for each leader one of its workers."""


def owned(things: Iterable[Thing], others: Others | None = None) -> dict[int, str]:
    """By number, who made an object and what of that: `LeaderWorkerSet llm, which is judged`.

    It is another of `things` whose pods are known whole, which is judged in its place, or lws:
    what lws makes is no whole without what its webhook puts into the pods.
    """
    every = list(things)
    made = [(t, ref) for t in every if (ref := _controller(t)) is not None]
    if not made:
        return {}
    return dict(_Owners(every, others or Others(every)).of(made))


def _controller(thing: Thing) -> Place | None:
    """The reference to what made it: an object has at most one controller."""
    refs = thing.place.each("metadata", "ownerReferences")
    return next((r for r in refs if r.at("controller").value is True), None)


class _Owners:
    def __init__(self, things: Iterable[Thing], others: Others) -> None:
        self._named: dict[tuple[str, str, str], list[Thing]] = defaultdict(list)
        for one in things:
            self._named[one.kind, one.name, one.namespace].append(one)
        self._others = others
        self._whole: dict[int, bool] = {}

    def of(self, made: Sequence[tuple[Thing, Place]]) -> Iterator[tuple[int, str]]:
        """What is not judged, and what made it."""
        found = [(t, ref, self._owner(t, ref)) for t, ref in made]
        above = {t.place.of: o for t, _, o in found if o is not None and self._is_whole(o)}
        by_lws = {t.place.of for t, ref, _ in found if t.place.of not in above and _is_lws(t, ref)}
        for thing, ref, owner in found:
            number = thing.place.of
            why = _IS_HERE if owner is not None else _NOT_HERE
            if number in above:
                why = _why_above(number, above, by_lws)
            if why and (number in above or number in by_lws):
                yield number, f"{ref.text('kind')} {ref.text('name')}, {why}"

    def _owner(self, thing: Thing, ref: Place) -> Thing | None:
        named = self._named.get((ref.text("kind"), ref.text("name"), thing.namespace), ())
        return next((t for t in named if _is_meant(t.place, ref)), None)

    def _is_whole(self, owner: Thing) -> bool:
        """Whether all pods that it makes are known from the input."""
        number = owner.place.of
        if number not in self._whole:
            made = [] if owner.patch else list(makes(owner, self._others))
            self._whole[number] = bool(made) and all(_is_known(m) for m in made)
        return self._whole[number]


def _is_known(made: Made) -> bool:
    """Whether pods are seen in it, and nothing unseen comes to them."""
    images = [c.text("image") for c in made.place.each("spec", "containers")]
    return bool(images) and all(images) and not made.rest


_IS_HERE = "which is not judged"
_NOT_HERE = "which is not in the input"


def _why_above(number: int, above: Mapping[int, Thing], by_lws: Collection[int]) -> str:
    """What becomes of the last of its owners; nothing where they own each other."""
    top, seen = above[number], {number}
    while top.place.of in above and top.place.of not in seen:
        seen.add(top.place.of)
        top = above[top.place.of]
    if top.place.of == number:
        return ""
    if top.place.of in by_lws:
        return _IS_HERE
    return "which stands for it" if top.kind in BY_ENGINE else "which is judged"


def _is_lws(thing: Thing, ref: Place) -> bool:
    return thing.kind == "StatefulSet" and ref.text("kind") in _BY_LWS


def _is_meant(owner: Place, ref: Place) -> bool:
    """Whether it is of the API group and has the uid that the reference has."""
    own, meant = owner.text("apiVersion"), ref.text("apiVersion")
    group = not meant or own.rpartition("/")[0] == meant.rpartition("/")[0]
    uids = {owner.text("metadata", "uid"), ref.text("uid")} - {""}
    return group and len(uids) < 2
