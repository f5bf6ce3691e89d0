"""What Dynamo's operator makes of a DynamoGraphDeployment: the pods of each of its services."""

from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from distcheck.agent.manifests.dynamo_words import engine_words
from distcheck.agent.manifests.field_types import fields
from distcheck.agent.manifests.made import Made, tie_of
from distcheck.agent.manifests.pieces import Pieces, Raw
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.dynamo import MAIN, Service, services
from distcheck.checks.manifest.pieced import Trail
from distcheck.checks.manifest.place import Place

_REST = "what Dynamo's operator adds"
_SHM = "shared-memory"


def graph(thing: Thing) -> Iterator[Made]:
    """Dynamo `internal/dynamo/graph.go` (0.4.1 to 1.5): a leader and workers where it says so."""
    for service in services(thing.place):
        own = replace(thing, name=f"{thing.name} {service.name}".strip())
        pod = _Pod(thing.place.at("spec"), service).made()
        if service.place.at("multinode"):
            yield from _of_nodes(own, pod, service.place.number("multinode", "nodeCount"))
        else:
            count = service.place.number("replicas")
            yield Made(own, pod, thing.kind, count=1 if count is None else count, rest=_REST)


def _of_nodes(own: Thing, pod: Place, nodes: int | None) -> Iterator[Made]:
    """What Grove or lws makes of it: names of pods differ between the two."""
    yield Made(own, pod, own.kind, "leader", 1, tie_of(own), rest=_REST)
    count = None if nodes is None else nodes - 1
    if count != 0:
        yield Made(own, pod, own.kind, "worker", count, tie_of(own), rest=_REST)


class _Pod:
    """A pod that is put together of what the graph and a service say."""

    def __init__(self, spec: Place, service: Service) -> None:
        self._spec, self._service = spec, service
        self._pieces = Pieces(service.place)

    def made(self) -> Place:
        """The pod, each part of it at home where it is written."""
        own = self._service.pod
        self._pieces.at(("spec",), own)
        known = fields()["PodSpec"]
        held = own.value if isinstance(own.value, dict) else {}
        whole = {k: v for k, v in held.items() if k in known}
        beside = [c for c in own.each("containers") if c.text("name") != MAIN or self._service.old]
        for number, one in enumerate(beside, 1):
            self._pieces.at(("spec", "containers", number), one)
        whole["containers"] = [self._container(), *(c.value for c in beside)]
        whole["volumes"] = list(self._volumes())
        return self._pieces.place({"metadata": self._service.metadata, "spec": whole})

    def _container(self) -> Raw:
        at: Trail = ("spec", "containers", 0)
        main, service = self._service.main, self._service.place
        value = dict(self._pieces.at(at, main or service) or {}) if main else {}
        self._pieces.at(at, main or service)
        if env := list(self._env()):
            value["env"] = self._pieces.each((*at, "env"), [(p.value, p) for p in env])
        if named := service.text("envFromSecret"):
            given = value.get("envFrom")
            value["envFrom"] = [*(given if isinstance(given, list) else ())]
            value["envFrom"].append({"secretRef": {"name": named}})
        for probe in ("livenessProbe", "readinessProbe"):
            if service.at(probe):
                value[probe] = self._pieces.at((*at, probe), service.at(probe))
        value["resources"] = self._resources((*at, "resources"))
        value["volumeMounts"] = self._mounts((*at, "volumeMounts"))
        return {**value, **self._command(at), "name": MAIN}

    def _command(self, at: Trail) -> Raw:
        """Without a command of its own the operator's is a shell with `-c`."""
        main = self._service.main
        command = [(p.value, p) for p in main.each("command")]
        args = [(p.value, p) for p in main.each("args")]
        if not command and not self._service.has_own_start:
            home = main.at("args") or main or self._service.place
            command = [("/bin/sh", home), ("-c", home)]
        words = engine_words([*command, *args])
        both = {"command": words[: len(command)], "args": words[len(command) :]}
        return {k: self._pieces.each((*at, k), w) for k, w in both.items() if w}

    def _env(self) -> Iterator[Place]:
        """The graph's, the container's, and the service's, each over those before."""
        lists = [
            list(self._spec.each("env" if not self._service.old else "envs")),
            list(self._service.main.each("env")),
            list(self._service.place.each("envs")),
        ]
        taken: set[str] = set()
        kept: list[Place] = []
        for held in reversed(lists):
            kept = [*(p for p in held if p.text("name") not in taken), *kept]
            taken |= {p.text("name") for p in held}
        yield from kept

    def _resources(self, at: Trail) -> Raw:
        main, service = self._service.main.at("resources"), self._service.place.at("resources")
        self._pieces.at(at, main or service)
        found = dict(main.value) if isinstance(main.value, dict) else {}
        for part in ("limits", "requests"):
            amounts = dict(self._amounts(service.at(part)))
            if amounts:
                self._pieces.at((*at, part), service.at(part))
                for name, place in amounts.items():
                    self._pieces.at((*at, part, name), place)
                over = {k: p.value for k, p in amounts.items()}
                found[part] = {**(main.at(part).value or {}), **over}
        if service.at("claims"):
            found["claims"] = service.at("claims").value
        return found

    def _amounts(self, item: Place) -> Iterator[tuple[str, Place]]:
        """`getResourcesConfig`: gpu is nvidia.com/gpu where no gpuType says otherwise."""
        for name in ("cpu", "memory"):
            if item.text(name):
                yield name, item.at(name)
        if item.text("gpu"):
            yield item.text("gpuType") or "nvidia.com/gpu", item.at("gpu")
        yield from item.fields("custom")

    def _mounts(self, at: Trail) -> list[Any]:
        main, service = self._service.main, self._service.place
        own = self._service.shm != "0"
        found = [(p.value, p) for p in main.each("volumeMounts") if not (own and _is_shm(p))]
        for one in (*service.each("volumeMounts"), service.at("pvc")):
            if one.text("name"):
                mount = {"name": one.text("name"), "mountPath": one.text("mountPoint")}
                found.append((mount, one))
        if own:
            found.append(({"name": _SHM, "mountPath": "/dev/shm"}, service))
        off = service.at("sharedMemory", "disabled") or self._service.shm_place
        self._pieces.at(at, (own and main.at("volumeMounts")) or off or main)
        return self._pieces.each(at, found)

    def _volumes(self) -> Iterator[Raw]:
        """The pod's, a claim for each mount of the service, and the one that is /dev/shm.

        That has 8Gi since 0.4.1, before 64Mi or half of the memory limit: untold is not known.
        """
        service, at, shm = self._service.place, ("spec", "volumes"), self._service.shm
        given = self._service.pod.each("volumes")
        own = [(p.value, p) for p in given if shm == "0" or p.text("name") != _SHM]
        there = {p.text("name") for _, p in own}
        for one in (*service.each("volumeMounts"), service.at("pvc")):
            name = one.text("name")
            if name and name not in there:
                there.add(name)
                own.append(({"name": name, "persistentVolumeClaim": {"claimName": name}}, one))
                claim = (*at, len(own) - 1, "persistentVolumeClaim", "claimName")
                self._pieces.at(claim, one.at("name"))
        if shm != "0":
            size = {"sizeLimit": shm} if shm else {}
            own.append(({"name": _SHM, "emptyDir": {"medium": "Memory", **size}}, service))
            for way in ("name",), ("emptyDir", "sizeLimit"):
                self._pieces.at((*at, len(own) - 1, *way), self._service.shm_place or service)
        yield from self._pieces.each(at, own)


def _is_shm(mount: Place) -> bool:
    """The operator's own takes its place."""
    return mount.text("name") == _SHM or mount.text("mountPath").rstrip("/") == "/dev/shm"
