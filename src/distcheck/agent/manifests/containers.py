"""A container as rules see it: what it runs is understood as `verify` understands a live one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.intent.environ import filled, known_to_shell, may_have_more
from distcheck.agent.cluster.intent.nim import is_nim
from distcheck.agent.cluster.intent.places import bare_server
from distcheck.agent.cluster.intent.scripts import command_text, started
from distcheck.agent.cluster.podspec import (
    Room,
    argv_of,
    environment,
    expanded,
    gpus_of,
    rdma_of,
)
from distcheck.agent.cluster.quantity import parse_quantity
from distcheck.agent.joined import joined, joins
from distcheck.agent.logs.argv import RayStart, ray_start
from distcheck.agent.logs.argv_engines import Server, server_of
from distcheck.agent.logs.shell import reads_whole, runs
from distcheck.agent.logs.shell_script import Ran
from distcheck.checks.manifest.container import (
    Asks,
    Command,
    Container,
    Joining,
    RayNode,
    Text,
    Variable,
)
from distcheck.checks.manifest.place import NO_NAME, Place, Spot

Raw = dict[str, Any]
_SOURCES = {
    "secretKeyRef": "secret", "configMapKeyRef": "configmap", "fieldRef": "field",
    "resourceFieldRef": "resource",
}  # fmt: skip
_FLAGS = (
    "model", "tp", "pp", "dp", "ep", "dp_local", "nnodes", "node_rank", "master_addr",
    "master_port", "headless", "executor", "port", "quantization", "gpu_memory_utilization",
    "dp_rank", "dp_start", "dp_address", "dp_hybrid_lb", "dp_external_lb",
)  # fmt: skip
_JOIN_FLAGS = {"ray": ("--address",), "dpa": ("-dpa",)}


class Maps(Struct, frozen=True):
    """The ConfigMaps of a namespace: their entries, and where each stands."""

    data: Mapping[str, Mapping[str, str]]
    places: Mapping[str, Place]


def container_of(
    pod: Raw, raw: Raw, place: Place, maps: Maps, *, init: bool = False, chart: bool = False
) -> Container:
    """Container `raw` of the raw `pod`, whose own fields stand at `place`."""
    full = filled(pod, raw, maps.data)
    argv, shell = argv_of(full), known_to_shell(pod, full)
    texts = [*_words(place), *_scripts(pod, full, maps)]
    whole = not may_have_more(full, maps.data)
    started = [argv, *(("sh", "-c", t.text) for t in texts if t.spot.path[:1] == ("data",))]
    ran = [r for words in started for r in runs(words, shell, assume=whole)]
    values = environment(full)
    taken = tuple(_taken(raw, maps))
    limits = place.at("resources", "limits")
    return Container(
        name=place.text("name") or str(raw.get("name") or NO_NAME),
        image=str(raw.get("image") or ""),
        place=place,
        init=init,
        gpus=gpus_of(raw),
        limits=_amounts(limits),
        requests=_amounts(place.at("resources", "requests")),
        rdma=rdma_of(raw),
        env=(*taken, *_variables(raw, place, values, taken)),
        may_have_more=not whole,
        argv=argv,
        commands=tuple(Command(r.words, r.variables, r.sure) for r in ran),
        texts=tuple(texts),
        asks=_asks(_server(full, argv, texts, shell)),
        ray=_ray(ran),
        joins=tuple(_joining(ran, values, texts, place)),
        nim=is_nim(str(raw.get("image") or ""), values),
        nim_chart=chart,
        is_read=all(reads_whole(words, shell, assume=whole) for words in started),
    )


def _amounts(place: Place) -> dict[str, int | None]:
    return {k: parse_quantity(p.value) for k, p in place.fields()}


def _words(place: Place) -> Iterator[Text]:
    for part in ("command", "args"):
        for one in place.each(part):
            yield Text(str(one.value), one.spot)


def _scripts(pod: Raw, container: Raw, maps: Maps) -> Iterator[Text]:
    for file in started(pod, container, maps.data, command_text(container)):
        at = maps.places[file.config_map].at("data", file.key)
        yield Text(maps.data[file.config_map][file.key], at.spot)


def _taken(raw: Raw, maps: Maps) -> Iterator[Variable]:
    """The variables that whole ConfigMaps give; each stands in its ConfigMap."""
    for one in raw.get("envFrom") or ():
        if not isinstance(one, dict):
            continue
        name = str((one.get("configMapRef") or {}).get("name") or "")
        for key, value in maps.data.get(name, {}).items():
            at = maps.places[name].at("data", key)
            yield Variable(f"{one.get('prefix') or ''}{key}", value, at)


def _variables(
    raw: Raw, place: Place, values: Mapping[str, str], taken: Iterable[Variable]
) -> Iterator[Variable]:
    """`raw` may have a controller's variables before those of the manifest.

    The kubelet takes whole ConfigMaps first, so `$(NAME)` of them is known to the first entry.
    """
    every = [e for e in raw.get("env") or () if isinstance(e, dict)]
    own = len(list(place.each("env")))
    seen = {v.name: v.value or "" for v in taken}
    room = Room()
    for number, one in enumerate(every):
        at = number - (len(every) - own)
        name, given = str(one.get("name") or ""), one.get("valueFrom")
        spot = place.at("env", at) if at >= 0 else place
        if isinstance(given, dict) and given:
            source = next((s for k, s in _SOURCES.items() if k in given), "elsewhere")
            seen.pop(name, None)
            yield Variable(name, values.get(name), spot, source, at < 0)
            continue
        seen[name] = expanded(str(one.get("value") or ""), seen, room)
        yield Variable(name, seen[name], spot, "", at < 0)


def _server(
    full: Raw, argv: Sequence[str], texts: Sequence[Text], shell: Mapping[str, str | None]
) -> Server | None:
    image = str(full.get("image") or "")
    found = server_of(argv, shell) or bare_server(full, argv, image)
    for text in texts if found is None else ():
        if text.spot.path[:1] == ("data",):
            found = server_of(("sh", "-c", text.text), shell) or found
    return found


def _asks(server: Server | None) -> Asks | None:
    if server is None:
        return None
    flags = server.flags
    values = {name: getattr(flags, name) for name in _FLAGS}
    return Asks(
        engine=server.engine, ranks=server.ranks, unread=dict(flags.reasons),
        positions=server.positions, **values,
    )  # fmt: skip


def _ray(ran: Sequence[Ran]) -> RayNode | None:
    found: list[RayStart] = [r for one in ran if (r := ray_start(one.words)) is not None]
    if not found:
        return None
    one = next((r for r in found if r.head), found[-1])
    return RayNode(one.head, one.address, one.port, one.num_gpus, one.block)


def _joining(
    ran: Sequence[Ran], values: Mapping[str, str], texts: Sequence[Text], place: Place
) -> Iterator[Joining]:
    told: set[tuple[str, str]] = set()
    for one in ran:
        for way, address in joins(one.words, {**values, **one.variables}):
            found = joined(way, address)
            if (way, address) in told or not found.host:
                continue
            told.add((way, address))
            spot = _spot(texts, (address, found.host, *_JOIN_FLAGS.get(way, (f"--{way}",))), place)
            yield Joining(way, found.host, found.port, found.is_read, spot)


def _spot(texts: Sequence[Text], needles: Sequence[str], place: Place) -> Spot:
    for needle in needles:
        for text in texts:
            if needle and needle in text.text:
                return text.spot.within(needle)
    return place.spot
