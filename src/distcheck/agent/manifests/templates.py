"""From what a kind makes to a template as rules see it."""

from typing import Any

from msgspec.structs import replace

from distcheck.agent.cluster.declared_shm import pod_memory_limit, shm_of
from distcheck.agent.cluster.podspec import containers
from distcheck.agent.manifests.containers import Maps, container_of
from distcheck.agent.manifests.kinds import NIM_VALUES
from distcheck.agent.manifests.made import BY_INDEX, FLAT, MOST_PODS, Made
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.pieced import Pieced
from distcheck.checks.manifest.place import NO_NAME, Place
from distcheck.checks.manifest.template import Template

Raw = dict[str, Any]


def template_of(made: Made, maps: Maps) -> Template:
    """The template with its containers understood, by its first pod."""
    pod = made.pod(0)
    running = _each_pod(made, _containers(made, pod, "containers", maps), maps)
    starting = _containers(made, pod, "initContainers", maps)
    sidecars = tuple(c for c in starting if c.place.text("restartPolicy") == "Always")
    found = Template(
        kind=made.kind,
        owner=made.owner,
        namespace=made.thing.namespace,
        owner_place=made.thing.place,
        place=made.place,
        part=made.part,
        pods=made.count,
        names=made.names,
        subdomain=pod["spec"].get("subdomain") or "",
        labels=made.labels_of(None),
        containers=(*running, *sidecars),
        inits=tuple(c for c in starting if c not in sidecars),
        memory_limit=pod_memory_limit(pod),
        fragment=made.thing.fragment,
        rest=made.rest,
    )
    if found.engine is None and _asks_for_model(made):
        found = replace(found, told=True)
    if made.kind == "RayService" and made.part == "leader":
        found = replace(found, served=_served(made))
    return _with_shm(found, pod)


def _each_pod(made: Made, running: tuple[Container, ...], maps: Maps) -> tuple[Container, ...]:
    """With how it is in each pod, where pods know their index and start something by it."""
    several = (made.kind in _INDEXED or made.indexed) and 1 < (made.count or 1) <= MOST_PODS
    if not several or not any(map(_of_several, running)):
        return running
    others = [_containers(made, made.pod(n), "containers", maps) for n in range(1, made.count or 1)]
    return tuple(
        replace(one, of_pods=(one, *(other[at] for other in others)))
        for at, one in enumerate(running)
    )


def _of_several(container: Container) -> bool:
    asks = container.asks
    ranks = asks is not None and max(asks.dp or 1, asks.nnodes or 1) > 1
    return ranks or container.ray is not None or container.joins_ray


_INDEXED = BY_INDEX | {"StatefulSet", "StormService"}


def _asks_for_model(made: Made) -> bool:
    """Whether the object's own fields do: Ray Serve's configuration, a RayJob's command."""
    if made.kind not in ("RayService", "RayJob"):
        return False
    from distcheck.agent.cluster.intent.resources import asked_by  # noqa: PLC0415 - of these alone

    return any(asked_by({**made.thing.place.value, "kind": made.kind}))


def _served(made: Made) -> Any:
    """Ray Serve's configuration; None where it is no YAML."""
    from distcheck.agent.cluster.intent.yaml_text import (  # noqa: PLC0415 - of RayServices alone
        NotYamlError,
        read_yaml,
    )

    try:
        return read_yaml(made.thing.place.text("spec", "serveConfigV2"))
    except NotYamlError:
        return None


def _with_shm(found: Template, pod: Raw) -> Template:
    engine = found.engine
    if engine is None:
        return found
    raw = next((c for c in containers(pod) if (c.get("name") or NO_NAME) == engine.name), {})
    return replace(found, shm=shm_of(pod, raw, containers(pod)))


def _containers(made: Made, pod: Raw, part: str, maps: Maps) -> tuple[Container, ...]:
    flat = isinstance(made.place.value, dict) and FLAT in made.place.value
    held = pod["spec"].get(part)
    found = []
    for number, raw in enumerate(held if isinstance(held, list) else ()):
        at = made.place.at("spec", part, number)
        apart = flat and not isinstance(at, Pieced)  # what is pieced knows where it stands
        place = Place(made.place.of, made.place.path, at.value) if apart else at
        chart = made.kind in (NIM_VALUES, "NIMService")
        found.append(container_of(pod, raw, place, maps, init=part != "containers", chart=chart))
    return tuple(found)
