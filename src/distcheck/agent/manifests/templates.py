"""From what a kind makes to a template as rules see it."""

from typing import Any

from distcheck.agent.cluster.declared_shm import pod_memory_limit, shm_of
from distcheck.agent.cluster.podspec import containers
from distcheck.agent.manifests.containers import Maps, container_of
from distcheck.agent.manifests.kinds import NIM_VALUES
from distcheck.agent.manifests.making import FLAT, Made
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Template

Raw = dict[str, Any]


def template_of(made: Made, maps: Maps) -> Template:
    """The template with its containers understood, by its first pod."""
    pod = made.pod(0)
    running = _containers(made, pod, "containers", maps)
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
        labels=pod["metadata"]["labels"],
        containers=(*running, *sidecars),
        inits=tuple(c for c in starting if c not in sidecars),
        memory_limit=pod_memory_limit(pod),
        fragment=made.thing.fragment,
    )
    return _with_shm(found, pod)


def _with_shm(found: Template, pod: Raw) -> Template:
    from msgspec.structs import replace  # noqa: PLC0415 - one use

    engine = found.engine
    if engine is None:
        return found
    raw = next((c for c in containers(pod) if c.get("name") == engine.name), {})
    return replace(found, shm=shm_of(pod, raw, containers(pod)))


def _containers(made: Made, pod: Raw, part: str, maps: Maps) -> tuple[Container, ...]:
    flat = isinstance(made.place.value, dict) and FLAT in made.place.value
    held = pod["spec"].get(part)
    found = []
    for number, raw in enumerate(held if isinstance(held, list) else ()):
        at = made.place.at("spec", part, number)
        place = Place(made.place.of, made.place.path, at.value) if flat else at
        chart = made.kind in (NIM_VALUES, "NIMService")
        found.append(container_of(pod, raw, place, maps, init=part != "containers", chart=chart))
    return tuple(found)
