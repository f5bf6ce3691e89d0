"""From documents to what rules judge."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.manifests.containers import Maps
from distcheck.agent.manifests.groups import Pair, across_namespaces, groups_of
from distcheck.agent.manifests.kinds import NIM_VALUES, Unknown, kind_of, subcharts
from distcheck.agent.manifests.labelled import Labelled
from distcheck.agent.manifests.making import BY_ENGINE, makes
from distcheck.agent.manifests.others import Others
from distcheck.agent.manifests.owned import owned
from distcheck.agent.manifests.patches import is_called_patch, is_patch
from distcheck.agent.manifests.shape import shaped
from distcheck.agent.manifests.source import Document
from distcheck.agent.manifests.templates import template_of
from distcheck.agent.manifests.tree import Repeated
from distcheck.checks.manifest.bundle import Bundle, Flaw, FlawKind, Service, Thing
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place, Step, line_spot
from distcheck.checks.manifest.template import Template

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig
    from distcheck.checks.knowledge.plan_fabric import Fabric

Raw = dict[str, Any]


class Known(Struct, frozen=True):
    """A document whose kind is known, and the object in it."""

    document: Document
    thing: Thing
    flaws: tuple[Flaw, ...]

    def way(self, path: tuple[Step, ...]) -> tuple[Step, ...]:
        """A path of the object in its document; a fragment that is only a `spec` was given it."""
        bare = self.thing.fragment and "spec" not in self.document.value
        return (*self.document.root, *(path[1:] if bare and path[:1] == ("spec",) else path))


def known(
    documents: Sequence[Document], numbers: Iterator[int] | None = None
) -> tuple[list[Known], list[Document]]:
    """The objects, by the next of `numbers` each, and the documents that nothing tells about."""
    found: list[Known] = []
    strange: list[Document] = []
    for number, document in zip(numbers or count(), _each(documents), strict=False):
        try:
            found.append(_thing(number, document))
        except Unknown:
            strange.append(document)
    return found, strange


def _each(documents: Sequence[Document]) -> Iterator[Document]:
    """The documents; of values of an umbrella chart those of each NIM in it."""
    for document in documents:
        below = subcharts(document.value)
        yield from (replace(document, root=(*document.root, key)) for key in below)
        if not below:
            yield document


def _thing(number: int, document: Document) -> Known:
    thing, flaws = read_thing(number, document.value)
    if thing.kind == NIM_VALUES and document.root:
        thing = replace(thing, name=str(document.root[-1]))
    if is_called_patch(thing, document.source.name):
        thing = replace(thing, patch=True)
    again = document.tree.repeated if not document.root else ()
    more = [_repeated(number, r) for r in _first_of_objects(again)]
    return Known(document, thing, (*flaws, *more))


def read_thing(number: int, value: Raw) -> tuple[Thing, tuple[Flaw, ...]]:
    """Object `number` without what its kind cannot have, and what that was.

    Raises:
        Unknown: nothing tells what it is.
    """
    what = kind_of(value)
    form = shaped(number, what.kind, {"spec": value} if what.bare_spec else value)
    values = _flaws_of_values(number, value) if what.kind == NIM_VALUES else ()
    place = Place(number, (), form.value)
    meta = place.at("metadata")
    thing = Thing(place, what.kind, meta.text("name"), meta.text("namespace"), what.fragment)
    thing = replace(thing, patch=is_patch(thing))
    return thing, tuple(_of_fragment(form.flaws) if what.fragment else (*form.flaws, *values))


def _flaws_of_values(number: int, value: Raw) -> Iterator[Flaw]:
    from distcheck.agent.manifests.chart_values import (  # noqa: PLC0415 - few inputs are values
        flaws_of_values,
    )

    yield from flaws_of_values(number, value)


def _of_fragment(flaws: Sequence[Flaw]) -> Iterator[Flaw]:
    """Whether a field exists depends on what the fragment is a part of: near misses are told."""
    for one in flaws:
        if one.kind != "unknown":
            yield one
        elif len(one.spot.path) > 1 and one.near:
            yield replace(one, unseen="what kind of object this is a part of")


_NAMES_OBJECT = ("apiVersion", "kind")


def _first_of_objects(again: Sequence[Repeated]) -> list[Repeated]:
    """The same; of an object that begins without `---` only the first key that names it."""
    column = min((r.column for r in again), default=0)
    top = [r for r in again if r.column == column]
    if not set(_NAMES_OBJECT) <= {r.key for r in top}:
        return list(again)
    begins: list[Repeated] = []
    for one in (r for r in top if r.key in _NAMES_OBJECT):
        if not begins or one.key == begins[-1].key:
            begins.append(replace(one, begins=True))
    return begins + [r for r in again if r.column != column]


def _repeated(number: int, again: Repeated) -> Flaw:
    kind: FlawKind = "alike" if again.alike else "repeated"
    says = f"the key {again.key} stands twice" + ", with the same value" * again.alike
    if again.begins:
        kind, says = "begins", f"{again.key} stands again: another object begins without `---`"
    also = () if again.begins else (line_spot(number, *again.first),)
    return Flaw(kind, line_spot(number, again.line, again.column), says, also=also)


def bundle_of(
    things: Sequence[Thing],
    flaws: Iterable[Flaw] = (),
    config: "ModelConfig | None" = None,
    interconnect: "Fabric | None" = None,
) -> Bundle:
    """All that is judged together."""
    spaces: dict[str, list[Thing]] = defaultdict(list)
    for thing in things:
        spaces[thing.namespace].append(thing)
    others = Others(things)
    templates: list[Template] = []
    groups: list[Group] = []
    services: list[Service] = []
    for name, those in spaces.items():
        pairs, maps = list(_pairs(those, others)), _maps(those)
        templates += [p.template for p in pairs]
        own = [t for t in those if t.kind == "Service"]
        labelled = Labelled([p.template for p in pairs])
        services += [_service(t, labelled) for t in own]
        groups += groups_of(name, pairs, [_raw(t) for t in own], maps.data)
    if len(spaces) > 1:
        groups = list(across_namespaces(groups, templates, services))
    return Bundle(
        tuple(things), tuple(templates), tuple(groups), tuple(services), tuple(flaws), config,
        interconnect,
    )  # fmt: skip


def _pairs(things: Sequence[Thing], others: Others) -> Iterator[Pair]:
    maps = _maps(things)
    theirs = owned(things, others)
    for thing in things:
        made = () if thing.patch or thing.place.of in theirs else makes(thing, others)
        found = [Pair(m, template_of(m, maps)) for m in made]
        if thing.kind not in BY_ENGINE or any(_serves(p.template) for p in found):
            yield from found


def _serves(template: Template) -> bool:
    """Whether a command of it starts an engine, or Ray."""
    return any(c.asks or c.nim or c.ray for c in template.containers)


def _maps(things: Iterable[Thing]) -> Maps:
    data: dict[str, Mapping[str, str]] = {}
    places: dict[str, Place] = {}
    for thing in things:
        if thing.kind == "ConfigMap" and thing.name:
            held = thing.place.at("data").value
            data[thing.name] = {str(k): str(v) for k, v in (held or {}).items() if v is not None}
            places[thing.name] = thing.place
    return Maps(data, places)


def _raw(thing: Thing) -> Raw:
    meta = {"name": thing.name, "namespace": thing.namespace}
    return {"metadata": meta, "spec": thing.place.at("spec").value or {}}


def _service(thing: Thing, labelled: Labelled) -> Service:
    spec = thing.place.at("spec")
    selector = {str(k): str(v) for k, v in (spec.at("selector").value or {}).items()}
    return Service(
        thing.name, thing.namespace, thing.place, selector,
        spec.at("clusterIP").value == "None",
        spec.at("publishNotReadyAddresses").value is True, labelled.chosen(selector),
    )  # fmt: skip
