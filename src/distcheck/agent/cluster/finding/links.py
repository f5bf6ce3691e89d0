"""Which pod a worker's command line points to: the one tie that plain workloads have."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.intent.environ import ConfigMaps, filled, variables
from distcheck.agent.cluster.intent.scripts import command_text, mounted_maps, started
from distcheck.agent.cluster.podspec import argv_of, containers
from distcheck.agent.joined import LOOPBACK, RAY, Joined, joined, joins
from distcheck.agent.logs.argv import ray_start
from distcheck.agent.logs.shell import runs
from distcheck.agent.logs.shell_script import Ran

Object = dict[str, Any]

_VARIABLES = ("VLLM_DP_MASTER_IP",)
_NO_MAPS: ConfigMaps = {}
_Run = tuple[Ran, Mapping[str, str]]


class Ends(Struct, frozen=True):
    """How a pod is tied: whom it joins, on which ports it waits, whether it is Ray's head.

    `ports` are by the way in which others join.
    """

    joined: tuple[Joined, ...]
    ports: Mapping[str, int]
    is_head: bool


def ends_of(pod: Object, maps: ConfigMaps = _NO_MAPS) -> Ends:
    """What `pod`'s commands say; `maps` are ConfigMaps with variables or start scripts."""
    every = list(_all_runs(pod, maps))
    addresses = dict.fromkeys(joined(way, text) for way, text in _addresses(pod, every, maps))
    found = tuple(j for j in addresses if j.host not in LOOPBACK)
    heads = [r for ran, _ in every if (r := ray_start(ran.words)) and r.head]
    ports = {j.way: j.port for j in found if j.port is not None}
    for head in heads:
        if head.port is not None:
            ports[RAY] = head.port
    return Ends(found, ports, bool(heads))


def wanted_maps(pod: Object) -> tuple[str, ...]:
    """ConfigMaps that may tell what `pod` joins, where its own words do not."""
    ends = ends_of(pod)
    if any(j.is_read for j in ends.joined) or ends.is_head:
        return ()
    asks = (c for c in containers(pod) if ends.joined or _runs_mounted(c))
    names = (n for c in asks for n in mounted_maps(pod, c))
    return tuple(dict.fromkeys(names))


def _runs_mounted(container: Object) -> bool:
    words = command_text(container)
    folders = (str(m.get("mountPath") or "") for m in container.get("volumeMounts") or ())
    return any(len(f) > 1 and f in words for f in folders)


def _addresses(pod: Object, every: Iterable[_Run], maps: ConfigMaps) -> Iterator[tuple[str, str]]:
    for ran, values in every:
        yield from joins(ran.words, values)
    for container in containers(pod):
        values = variables(pod, filled(pod, container, maps))
        yield from ((name, values.get(name, "")) for name in _VARIABLES)


def _all_runs(pod: Object, maps: ConfigMaps) -> Iterator[_Run]:
    """Each command that a container runs, with the variables that it sees."""
    for one in containers(pod):
        full = filled(pod, one, maps)
        values = variables(pod, full)
        words = argv_of(full)
        scripts = (maps[f.config_map][f.key] for f in started(pod, one, maps, command_text(one)))
        for argv in (words, *(("sh", "-c", text) for text in scripts)):
            for ran in runs(argv, values, assume=_is_whole(full)):
                yield ran, {**values, **ran.variables}


def _is_whole(container: Object) -> bool:
    """Whether every variable of it is known: only then is one that is not there unset."""
    return not any("valueFrom" in one for one in container.get("env") or ()) and not container.get(
        "envFrom"
    )
