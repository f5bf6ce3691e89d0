"""From documents to what rules judge."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.manifests.containers import Maps
from distcheck.agent.manifests.groups import Pair, groups_of
from distcheck.agent.manifests.kinds import Unknown, kind_of
from distcheck.agent.manifests.making import is_patch, makes
from distcheck.agent.manifests.shape import shaped
from distcheck.agent.manifests.source import Document
from distcheck.agent.manifests.templates import template_of
from distcheck.checks.manifest.bundle import Bundle, Flaw, Service, Thing
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place, line_spot
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


def known(documents: Sequence[Document]) -> tuple[list[Known], list[Document]]:
    """The objects, numbered as the documents are, and the documents that nothing tells about."""
    found: list[Known] = []
    strange: list[Document] = []
    for number, document in enumerate(documents):
        try:
            found.append(_thing(number, document))
        except Unknown:
            strange.append(document)
    return found, strange


def _thing(number: int, document: Document) -> Known:
    thing, flaws = read_thing(number, document.value)
    again = document.tree.repeated if not document.root else ()
    more = [_repeated(number, r.key, r.line, r.column) for r in again]
    return Known(document, thing, (*flaws, *more))


def read_thing(number: int, value: Raw) -> tuple[Thing, tuple[Flaw, ...]]:
    """Object `number` without what its kind cannot have, and what that was.

    Raises:
        Unknown: nothing tells what it is.
    """
    what = kind_of(value)
    form = shaped(number, what.kind, {"spec": value} if what.bare_spec else value)
    place = Place(number, (), form.value)
    meta = place.at("metadata")
    thing = Thing(place, what.kind, meta.text("name"), meta.text("namespace"), what.fragment)
    thing = replace(thing, patch=is_patch(thing))
    return thing, tuple(_of_fragment(form.flaws) if what.fragment else form.flaws)


def _of_fragment(flaws: Sequence[Flaw]) -> Iterator[Flaw]:
    """Whether a field exists depends on what the fragment is a part of."""
    for one in flaws:
        if one.kind != "unknown":
            yield one
        elif len(one.spot.path) > 1:
            yield replace(one, unseen="what kind of object this is a part of")


def _repeated(number: int, key: str, line: int, column: int) -> Flaw:
    return Flaw("repeated", line_spot(number, line, column), f"the key {key} stands twice")


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
    templates: list[Template] = []
    groups: list[Group] = []
    services: list[Service] = []
    for name, those in spaces.items():
        pairs, maps = list(_pairs(those)), _maps(those)
        templates += [p.template for p in pairs]
        own = [t for t in those if t.kind == "Service"]
        services += [_service(t, [p.template for p in pairs]) for t in own]
        groups += groups_of(name, pairs, [_raw(t) for t in own], maps.data)
    return Bundle(
        tuple(things), tuple(templates), tuple(groups), tuple(services), tuple(flaws), config,
        interconnect,
    )  # fmt: skip


def _pairs(things: Sequence[Thing]) -> Iterator[Pair]:
    maps = _maps(things)
    for thing in things:
        for made in () if thing.patch else makes(thing):
            yield Pair(made, template_of(made, maps))


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


def _service(thing: Thing, templates: Sequence[Template]) -> Service:
    spec = thing.place.at("spec")
    selector = {str(k): str(v) for k, v in (spec.at("selector").value or {}).items()}
    chosen = tuple(
        t for t in templates
        if selector
        and all(t.labels.get(k) == v or t.may_have_label(k) for k, v in selector.items())
    )  # fmt: skip
    return Service(
        thing.name, thing.namespace, thing.place, selector,
        spec.at("clusterIP").value == "None",
        spec.at("publishNotReadyAddresses").value is True, chosen,
    )  # fmt: skip
