"""Every place that says what a group should be, the strongest first."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import structs

from distcheck.agent.cluster.intent.asked import ALIKE, Asked, nccl_of, of_server
from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.intent.environ import (
    ConfigMaps,
    filled,
    known_to_shell,
    may_have_more,
    variables,
)
from distcheck.agent.cluster.intent.nim import is_nim, nim_asked
from distcheck.agent.cluster.intent.scripts import MapFile, command_text, files_of, started
from distcheck.agent.cluster.podspec import (
    argv_of,
    containers,
    engine_container,
    environment,
    gpus_of,
)
from distcheck.agent.logs.argv import ray_start, vllm_flags
from distcheck.agent.logs.argv_engines import Server, server_of
from distcheck.agent.redact import shown_name

Object = dict[str, Any]

_SIZE = "leaderworkerset.sigs.k8s.io/size"
_NO_MAPS: ConfigMaps = {}
_OF_VLLM = frozenset({"--model", "--tensor-parallel-size"})
_ENTRY = {"vllm": ("vllm", "serve"), "sglang": ("python3", "-m", "sglang.launch_server")}


def places(pods: Sequence[Object], beside: Beside) -> Iterator[Asked]:
    """What these raw pods, the leader first, and what stands beside them ask for.

    The pods' own specs; custom resources; start scripts in ConfigMaps; and last, only to
    fill in, values that ConfigMaps give to variables, and a script's own defaults.
    """
    for number, pod in enumerate(pods):
        for asked in _pod(pod, _NO_MAPS):
            yield asked if number == 0 else _of_worker(asked)
    yield from _sized(pods)
    for resource in beside.resources:
        yield from _resource(resource)
    for pod in pods[:1]:
        yield from _scripts(pod, beside.maps)
        for asked in _pod(pod, beside.maps):
            yield structs.replace(asked, fills=True, unread={})
        for asked in _pod(pod, beside.maps, assume=True):
            source = f"default in the {asked.source}"
            yield structs.replace(asked, source=source, fills=True, assumed=True, unread={})
        for asked in _scripts(pod, beside.maps, assume=True):
            source = f"default in {asked.source}"
            yield structs.replace(asked, source=source, fills=True, assumed=True, unread={})


def _of_worker(asked: Asked) -> Asked:
    """Without what only the leader's is kept of."""
    nccl = {k: v for k, v in asked.nccl.items() if k in ALIKE}
    return structs.replace(asked, ports={}, nccl=nccl)


def _pod(pod: Object, maps: ConfigMaps, *, assume: bool = False) -> Iterator[Asked]:
    main = engine_container(pod)
    for container in (main, *(c for c in containers(pod) if c is not main)):
        sure = assume and not may_have_more(container, maps)
        found = list(_container(pod, filled(pod, container, maps), assume=sure))
        yield from found
        if any(asked.engine != "unknown" for asked in found):
            break  # what another container serves is something else


def _container(pod: Object, container: Object, *, assume: bool) -> Iterator[Asked]:
    name, image = pod["metadata"]["name"], str(container.get("image", ""))
    argv, values = argv_of(container), variables(pod, container)
    shell = known_to_shell(pod, container)
    server = server_of(argv, shell, assume=assume) or bare_server(container, argv, image)
    nim, asked = is_nim(image, values), None
    if server is not None:
        asked = of_server(f"args of {name}", server, "nim" if nim else None)
        yield structs.replace(asked, unread={**_elsewhere(asked.source, server), **asked.unread})
    if nim:
        yield from nim_asked(name, image, () if server else argv, values, asked)
    set_inside = nccl_of(server.variables) if server is not None else {}
    for one in _settings(name, container, argv, values):
        kept = {k: v for k, v in one.nccl.items() if k not in set_inside}
        yield structs.replace(one, nccl=kept)


def _elsewhere(source: str, server: Server) -> dict[str, str]:
    """Why flags may be missing: they stand in a file that the spec does not hold."""
    path = server.flags.config
    return {"config": f"{source}: --config {shown_name(path)} was not read"} if path else {}


def bare_server(container: Object, argv: Sequence[str], image: str) -> Server | None:
    """Arguments alone: the image's own entry point is vLLM's server (vllm/vllm-openai).

    Of an image by another name they tell it themselves, by two flags that only vLLM has so.
    """
    if container.get("command") or not argv:
        return None
    flags = {w.partition("=")[0] for w in argv if w.startswith("-")}
    own = "vllm-openai" in image.rpartition("/")[2] or flags >= _OF_VLLM
    return Server("vllm", vllm_flags(argv)) if own and flags else None


def _settings(
    name: str, container: Object, argv: Sequence[str], values: Mapping[str, str]
) -> Iterator[Asked]:
    """Ray's port where this is the head, and the NCCL variables of the engine's container."""
    generated = values.get("KUBERAY_GEN_RAY_START_CMD", "")
    ray = ray_start(argv, values) or ray_start(("sh", "-c", generated))
    ports = {"gcs": ray.port} if ray is not None and ray.head and ray.port is not None else {}
    nccl = nccl_of(environment(container))
    if ports or nccl:
        source = f"args of {name}" if ports and not nccl else f"environment of {name}"
        yield Asked(source, {}, ports=ports, nccl=nccl)


def _sized(pods: Sequence[Object]) -> Iterator[Asked]:
    """A LeaderWorkerSet's size, by the pod's own annotation: the live spec may be newer."""
    size = str((pods[0]["metadata"].get("annotations") or {}).get(_SIZE, "")) if pods else ""
    if size.isascii() and size.isdigit() and len(size) < 6:
        empty = sum(not any(gpus_of(c) for c in containers(p)) for p in pods)
        if int(size) > empty:
            source = f"annotation {_SIZE} of {pods[0]['metadata']['name']}"
            yield Asked(source, {"nodes": int(size) - empty})


def _resource(resource: Object) -> Iterator[Asked]:
    from distcheck.agent.cluster.intent.resources import (  # noqa: PLC0415 - most pods have none
        asked_by,
        gpu_nodes,
    )

    yield from asked_by(resource)
    if resource.get("kind") == "RayCluster" and (found := gpu_nodes(resource, _template_gpus)):
        source = f"spec of raycluster/{resource['metadata']['name']}"
        yield Asked(source, {"nodes": found[0], "gpus": found[1]})


def _template_gpus(template: object) -> int:
    spec = template.get("spec") if isinstance(template, dict) else None
    return sum(gpus_of(c) for c in containers({"spec": spec})) if isinstance(spec, dict) else 0


def _scripts(pod: Object, maps: ConfigMaps, *, assume: bool = False) -> Iterator[Asked]:
    """Start scripts and `--config` files in the ConfigMaps that the leader's engine mounts."""
    container = filled(pod, engine_container(pod), maps)
    values, text = known_to_shell(pod, container), command_text(container)
    sure, argv = assume and not may_have_more(container, maps), argv_of(container)
    main = server_of(argv, values, assume=sure)
    main = main or bare_server(container, argv, str(container.get("image", "")))
    yield from _config(pod, container, maps, main)
    for file in started(pod, container, maps, text):
        words = ("sh", "-c", maps[file.config_map][file.key])
        server = server_of(words, values, assume=sure)
        if server is not None:
            yield of_server(file.source, server)
            yield from _config(pod, container, maps, server)


def _config(
    pod: Object, container: Object, maps: ConfigMaps, server: Server | None
) -> Iterator[Asked]:
    """What the `--config` file says where the command line does not: that wins (vLLM, SGLang)."""
    path = server.flags.config if server else None
    if server is None or path is None:
        return
    file = next((f for f in files_of(pod, container, maps) if _is_path(f, path)), None)
    if file is not None:
        from distcheck.agent.probes.config_file import parsed  # noqa: PLC0415 - seldom written

        found = parsed(maps[file.config_map][file.key])
        inside = server_of((*_ENTRY.get(server.engine, ("vllm", "serve")), *found.words))
        why = f"{file.source}: {', '.join(found.unread[:5])} cannot be read"
        unread, settled = ({"config": why}, ()) if found.unread else ({}, ("config",))
        if inside is not None:
            asked = of_server(file.source, inside)
            named = of_server("", server).values
            values = {k: v for k, v in asked.values.items() if k not in named}
            unread = {**asked.unread, **unread}
            yield structs.replace(asked, values=values, unread=unread, settled=settled)


def _is_path(file: MapFile, path: str) -> bool:
    return file.path == path or (not path.startswith("/") and file.path.endswith(f"/{path}"))
