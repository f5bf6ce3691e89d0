"""What NVIDIA's NIM operator, and the chart nim-llm, make."""

from collections.abc import Iterator

from distcheck.agent.manifests.kinds import NIM_VALUES
from distcheck.agent.manifests.made import FLAT, Made, tie_of
from distcheck.agent.manifests.pieces import Pieces
from distcheck.agent.manifests.shape import shaped
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.nim_chart import GPU, default_gpus, is_nim_1, workers_of
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Part

_PROBES = ("readinessProbe", "startupProbe", "livenessProbe")


def nim_service(thing: Thing) -> Iterator[Made]:
    """k8s-nim-operator `nimservice_types.go`: the LWS has as many pods as stages.

    Before 3.0 `multiNode.size` said how many.
    """
    spec = thing.place.at("spec")
    many = spec.at("multiNode")
    size = many.number("size") or 0
    stages = many.number("parallelism", "pipeline") or 1
    image = spec.at("image")
    name = f"{image.text('repository')}:{image.text('tag')}"
    env = {"NIM_PIPELINE_PARALLEL_SIZE": str(stages)} if many and not size else {}
    if size:
        env["NIM_NUM_COMPUTE_NODES"] = str(size)
    if tensor := many.number("parallelism", "tensor"):
        env["NIM_TENSOR_PARALLEL_SIZE"] = str(tensor)
    shm = spec.at("storage", "sharedMemorySizeLimit").value
    limit = str(shm) if shm is not None else ""
    pods: dict[Part, int] = {"leader": 1, "worker": max(stages, size) - 1}
    for role, count in pods.items():
        if count:
            place = _probed(spec, _flat(spec, name), leads=role == "leader")
            yield Made(thing, place, "NIMService", role, count, tie_of(thing), env=env, shm=limit)


def nim_values(thing: Thing) -> Iterator[Made]:
    """Chart nim-llm 1.x counts the leader among `workers`; 2.x does not."""
    root = thing.place
    many, image = root.at("multiNode"), root.at("image")
    name = f"{image.text('repository')}:{image.text('tag')}"
    place = _flat(root, name, default_gpus(root))
    enabled = many.at("enabled").value is True
    workers = workers_of(root) if enabled else 0
    if enabled and is_nim_1(root):
        workers, env = workers - 1, {"NIM_NUM_COMPUTE_NODES": str(workers)}
    else:
        names = {"tensorParallelSize": "TENSOR", "pipelineParallelSize": "PIPELINE"}
        found = {n: many.number(k) for k, n in names.items()}
        env = {f"NIM_{k}_PARALLEL_SIZE": str(v) for k, v in found.items() if v and enabled}
    yield Made(thing, place, NIM_VALUES, "leader", 1, tie_of(thing), env=env)
    if workers > 0:
        yield Made(thing, place, NIM_VALUES, "worker", workers, tie_of(thing), env=env)


def _probed(spec: Place, flat: Place, *, leads: bool) -> Place:
    """With the probes that the operator gives it: `enabled` stands beside `probe`.

    Workers of several nodes are given none of them (k8s-nim-operator `manifests/lws.yaml`).
    """
    pieces = Pieces(spec)
    trail = ("spec", "containers", 0)
    pieces.at(trail, spec)
    pod = flat.value["spec"]
    container = {k: v for k, v in pod["containers"][0].items() if k not in _PROBES}
    for name in _PROBES if leads else ():
        probe = spec.at(name, "probe")
        if isinstance(probe.value, dict) and spec.at(name, "enabled").value is not False:
            container[name] = pieces.at((*trail, name), probe)
    return pieces.place({**flat.value, "spec": {**pod, "containers": [container]}})


def _flat(place: Place, image: str, gpus: int = 0) -> Place:
    """Fields of one container that stand in the spec itself, as a template.

    With `gpus`, the limit that a chart puts in. The paths of the container's own fields (`env`,
    `resources`) are those of the spec.
    """
    held = place.value if isinstance(place.value, dict) else {}
    names = ("env", "envFrom", "resources", *_PROBES)
    container = {k: held[k] for k in names if isinstance(held.get(k), dict | list)}
    if gpus:
        limits = place.at("resources", "limits").value or {}
        own = place.at("resources").value or {}
        container["resources"] = {**own, "limits": {**limits, GPU: gpus}}
    for name in ("command", "args"):
        if isinstance(held.get(name), list):
            container[name] = held[name]
    spec = {k: held[k] for k in ("nodeSelector", "tolerations", "affinity") if k in held}
    spec["containers"] = [{"name": "nim", "image": image.strip(":"), **container}]
    pod = shaped(place.of, "Pod", {"spec": spec}).value  # a chart's values may be anything
    return Place(place.of, place.path, {**pod, FLAT: True})
