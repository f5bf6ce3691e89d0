"""What each kind makes: pod templates, how many pods of them, and what a controller puts in."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.finding.members import LWS_NAME, RAY_CLUSTER
from distcheck.agent.manifests.kinds import CONTAINER, NIM_VALUES
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Part

Raw = dict[str, Any]
MOST_PODS = 16
"""Of one template so many are looked at; the others are alike."""
_LWS = "leaderworkerset.sigs.k8s.io"


class Made(Struct, frozen=True):
    """The pods of one template.

    `count` is how many there are in one group, None where it is not known; `tie` is the same
    for all templates of one group, empty where only addresses tie pods. `env` and `volumes` are
    what a controller puts in. `names` are the pods' own where they are known beforehand.
    """

    thing: Thing
    place: Place
    kind: str
    part: Part = "alone"
    count: int | None = 1
    tie: str = ""
    names: tuple[str, ...] = ()
    hostnames: bool = False
    subdomain: str = ""
    labels: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    shm: str | None = None

    @property
    def owner(self) -> str:
        """The object's name."""
        return self.thing.name

    def name_of(self, number: int) -> str:
        """What pod `number` is called; a made-up name, that nobody can join, where it is not known."""  # noqa: E501
        return self.names[number] if number < len(self.names) else f"{self.owner}~{number}"

    def pod(self, number: int) -> Raw:
        """Pod `number` as the controller would make it."""
        given, spec = self.place.at("metadata"), self.place.at("spec").value
        own = dict(spec) if isinstance(spec, dict) else {}
        labels = given.at("labels").value
        meta = {
            "name": self.name_of(number),
            "namespace": self.thing.namespace,
            "labels": {**(labels if isinstance(labels, dict) else {}), **self.labels},
            "annotations": given.at("annotations").value or {},
            "ownerReferences": [{"kind": self.kind, "name": self.owner, "controller": True}],
        }
        if self.hostnames:
            own["hostname"] = self.name_of(number)
        if self.subdomain:
            own["subdomain"] = self.subdomain
        own_index = {f"{_ENV}WORKER_INDEX": str(number + 1)} if self._worker else {}
        env = {**self.env, **own_index}
        for part in ("containers", "initContainers"):
            found = own.get(part)
            if isinstance(found, list):
                own[part] = [self._with(c, env) for c in found if isinstance(c, dict)]
        if self.shm is not None:
            own["volumes"] = [*(own.get("volumes") or ()), self._tmpfs()]
        return {"metadata": meta, "spec": own}

    @property
    def _worker(self) -> bool:
        return self.kind == "LeaderWorkerSet" and self.part == "worker"

    def _with(self, container: Raw, env: Mapping[str, str]) -> Raw:
        """With a controller's variables first, as lws and kuberay put them."""
        own = container.get("env")
        more = [{"name": k, "value": v} for k, v in env.items()]
        changed = {**container, "env": [*more, *(own if isinstance(own, list) else ())]}
        if self.shm is not None and not _has_shm(container):
            mounts = [*(container.get("volumeMounts") or ()), _MOUNT]
            changed["volumeMounts"] = mounts
        return changed

    def _tmpfs(self) -> Raw:
        size = {"sizeLimit": self.shm} if self.shm else {}
        return {"name": "shared-mem", "emptyDir": {"medium": "Memory", **size}}


_ENV = "LWS_"
_MOUNT = {"name": "shared-mem", "mountPath": "/dev/shm"}


def makes(thing: Thing) -> Iterator[Made]:
    """The templates in an object; nothing for a kind that makes no pods."""
    maker = _MAKERS.get(thing.kind)
    if maker is not None:
        yield from maker(thing)


def is_patch(thing: Thing) -> bool:
    """Whether it is a part of an object: containers without an image, and little else.

    Custom resources without images are taken for whole where they say how they start.
    """
    if thing.kind not in _PATCHED:
        return False
    places = [c for m in makes(thing) for c in m.place.each("spec", "containers")]
    bare = [c for c in places if not c.text("image")]
    if thing.kind in _CUSTOM:
        whole = any(thing.place.at("spec", *path) for path in _CUSTOM[thing.kind])
        return bool(bare) and len(bare) == len(places) and not whole
    return bool(bare)


_CUSTOM: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "LeaderWorkerSet": (("leaderWorkerTemplate", "size"),),
    "RayCluster": (("headGroupSpec", "rayStartParams"), ("rayVersion",)),
    "RayService": (("serveConfigV2",), ("rayClusterConfig", "rayVersion")),
}
_PATCHED = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod", *_CUSTOM}
)


def _tie(thing: Thing) -> str:
    return f"{thing.kind}/{thing.namespace}/{thing.name}/{thing.place.of}"


def _pod(thing: Thing) -> Iterator[Made]:
    yield Made(thing, thing.place, "Pod", names=(thing.name,) if thing.name else ())


def _container(thing: Thing) -> Iterator[Made]:
    spec = {"spec": {"containers": [thing.place.value]}, FLAT: True}
    yield Made(thing, Place(thing.place.of, thing.place.path, spec), "Pod")


def _replicas(thing: Thing) -> Iterator[Made]:
    count = thing.place.number("spec", "replicas")
    template = thing.place.at("spec", "template")
    if template:
        yield Made(thing, template, thing.kind, count=1 if count is None else count)


def _stateful(thing: Thing) -> Iterator[Made]:
    spec = thing.place.at("spec")
    count = spec.number("replicas")
    count = 1 if count is None else count
    start = spec.number("ordinals", "start") or 0
    names = tuple(f"{thing.name}-{start + i}" for i in range(min(count or 1, MOST_PODS)))
    yield Made(
        thing, spec.at("template"), "StatefulSet", count=count, names=names,
        hostnames=True, subdomain=spec.text("serviceName"),
    )  # fmt: skip


def _daemon(thing: Thing) -> Iterator[Made]:
    yield Made(thing, thing.place.at("spec", "template"), "DaemonSet", count=None)


def _job(thing: Thing) -> Iterator[Made]:
    spec = thing.place.at("spec")
    if thing.kind == "CronJob":
        spec = spec.at("jobTemplate", "spec")
    completions, beside = spec.number("completions"), spec.number("parallelism")
    count = beside if beside is not None else 1
    names: tuple[str, ...] = ()
    if spec.text("completionMode") == "Indexed" and thing.name:
        names = tuple(f"{thing.name}-{i}" for i in range(min(completions or count or 1, MOST_PODS)))
    yield Made(
        thing, spec.at("template"), "Job", count=count, names=names, hostnames=bool(names)
    )  # fmt: skip


def _lws(thing: Thing) -> Iterator[Made]:
    """Lws `pod_webhook.go`, `pod_utils.go`: names, labels, and variables of one group."""
    template = thing.place.at("spec", "leaderWorkerTemplate")
    size = template.number("size")
    size = 1 if size is None else size
    name = thing.name or "lws"
    leader, worker = template.at("leaderTemplate"), template.at("workerTemplate")
    env = {
        "LWS_LEADER_ADDRESS": f"{name}-0.{name}.{thing.namespace or 'default'}",
        "LWS_GROUP_SIZE": str(size),
    }
    labels = {LWS_NAME: name, f"{_LWS}/group-index": "0"}
    yield Made(
        thing, leader or worker, "LeaderWorkerSet", "leader", 1, _tie(thing), (f"{name}-0",),
        hostnames=True, subdomain=name, labels={**labels, f"{_LWS}/worker-index": "0"},
        env={**env, "LWS_WORKER_INDEX": "0"},
    )  # fmt: skip
    names = tuple(f"{name}-0-{i}" for i in range(1, min(size, MOST_PODS)))
    if size > 1:
        yield Made(
            thing, worker, "LeaderWorkerSet", "worker", size - 1, _tie(thing), names,
            hostnames=True, subdomain=name, labels=labels, env=env,
        )  # fmt: skip


def _ray(thing: Thing) -> Iterator[Made]:
    """Kuberay `common/pod.go`: names of the head's Service, variables, /dev/shm."""
    way = {"RayService": "rayClusterConfig", "RayJob": "rayClusterSpec"}.get(thing.kind)
    spec = thing.place.at("spec", way) if way else thing.place.at("spec")
    head_name = f"{thing.name}-head-svc.{thing.namespace or 'default'}.svc.cluster.local"
    scaled = spec.at("enableInTreeAutoscaling").value is True
    head = spec.at("headGroupSpec")
    if head:
        yield _ray_made(thing, head, "leader", 1, {"RAY_ADDRESS": "127.0.0.1:6379"})
    for group in spec.each("workerGroupSpecs"):
        count = None if scaled else _ray_count(group)
        env = {"FQ_RAY_IP": head_name, "RAY_ADDRESS": f"{head_name}:6379"}
        yield _ray_made(thing, group, "worker", count, env)


def _ray_made(
    thing: Thing, group: Place, part: Part, count: int | None, env: Mapping[str, str]
) -> Made:
    template = group.at("template")
    containers = template.at("spec", "containers")
    own = next(iter(containers.each()), containers)
    limit = own.at("resources", "limits", "memory").value
    request = own.at("resources", "requests", "memory").value
    size = limit if limit is not None else request
    has = any(_has_shm(c.value) for c in containers.each())
    plasma = "plasma-directory" in (group.at("rayStartParams").value or {})
    return Made(
        thing, template, thing.kind, part, count, _tie(thing),
        labels={RAY_CLUSTER: thing.name, "ray.io/node-type": _NODE[part]},
        env=env, shm=None if has or plasma else str(size or ""),
    )  # fmt: skip


_NODE = {"leader": "head", "worker": "worker", "alone": "worker"}


def _ray_count(group: Place) -> int:
    asked, low = group.number("replicas"), group.number("minReplicas")
    high, hosts = group.number("maxReplicas"), group.number("numOfHosts") or 1
    many = max(1 if asked is None and low is None else asked or 0, low or 0)
    return min(many, high) * hosts if high is not None else many * hosts


def _mpi(thing: Thing) -> Iterator[Made]:
    replicas = thing.place.at("spec", "mpiReplicaSpecs")
    for name, part in (("Launcher", "leader"), ("Worker", "worker")):
        if group := replicas.at(name):
            count = group.number("replicas")
            own: Part = "leader" if part == "leader" else "worker"
            names = tuple(f"{thing.name}-worker-{i}" for i in range(min(count or 1, MOST_PODS)))
            yield Made(
                thing, group.at("template"), "MPIJob", own, 1 if count is None else count,
                _tie(thing), names if part == "worker" else (f"{thing.name}-launcher",),
            )  # fmt: skip


def _nim_service(thing: Thing) -> Iterator[Made]:
    """k8s-nim-operator `nimservice_types.go`: the LWS has as many pods as stages."""
    spec = thing.place.at("spec")
    many = spec.at("multiNode")
    stages = many.number("parallelism", "pipeline") or 1
    image = spec.at("image")
    place = _flat(spec, f"{image.text('repository')}:{image.text('tag')}")
    env = {"NIM_PIPELINE_PARALLEL_SIZE": str(stages)} if many else {}
    if tensor := many.number("parallelism", "tensor"):
        env["NIM_TENSOR_PARALLEL_SIZE"] = str(tensor)
    shm = spec.at("storage", "sharedMemorySizeLimit").value
    size = str(shm) if shm is not None else ""
    yield Made(thing, place, "NIMService", "leader", 1, _tie(thing), env=env, shm=size)
    if stages > 1:
        yield Made(thing, place, "NIMService", "worker", stages - 1, _tie(thing), env=env, shm=size)


def _nim_values(thing: Thing) -> Iterator[Made]:
    """Chart nim-llm 1.x counts the leader among `workers`; 2.x does not."""
    root = thing.place
    many, image = root.at("multiNode"), root.at("image")
    place = _flat(root, f"{image.text('repository')}:{image.text('tag')}")
    enabled = many.at("enabled").value is True
    workers = (many.number("workers") or 1) if enabled else 0
    if enabled and is_nim_1(root):
        workers, env = workers - 1, {"NIM_NUM_COMPUTE_NODES": str(workers)}
    else:
        names = {"tensorParallelSize": "TENSOR", "pipelineParallelSize": "PIPELINE"}
        found = {n: many.number(k) for k, n in names.items()}
        env = {f"NIM_{k}_PARALLEL_SIZE": str(v) for k, v in found.items() if v and enabled}
    yield Made(thing, place, NIM_VALUES, "leader", 1, _tie(thing), env=env)
    if workers > 0:
        yield Made(thing, place, NIM_VALUES, "worker", workers, _tie(thing), env=env)


def is_nim_1(values: Place) -> bool:
    """Whether Helm values are of chart nim-llm 1.x: by keys that only one of the two has."""
    many = values.at("multiNode")
    if many.at("tensorParallelSize") or many.at("pipelineParallelSize"):
        return False
    old = ("gpusPerNode", "leaderWorkerSet", "clusterStartTimeout", "optimized", "mpiJob")
    return any(many.at(k) for k in old) or values.at("image").text("tag").startswith("1.")


def _flat(place: Place, image: str) -> Place:
    """Fields of one container that stand in the spec itself, as a template.

    The paths of the container's own fields (`env`, `resources`) are those of the spec.
    """
    held = place.value if isinstance(place.value, dict) else {}
    names = ("env", "envFrom", "resources", "readinessProbe", "startupProbe", "livenessProbe")
    container = {k: held[k] for k in names if isinstance(held.get(k), dict | list)}
    for name in ("command", "args"):
        if isinstance(held.get(name), list):
            container[name] = held[name]
    spec = {k: held[k] for k in ("nodeSelector", "tolerations", "affinity") if k in held}
    spec["containers"] = [{"name": "nim", "image": image.strip(":"), **container}]
    return Place(place.of, place.path, {"spec": spec, FLAT: True})


FLAT = "flat "
"""Marks a template whose container's fields stand in the spec itself."""


def _has_shm(container: Any) -> bool:
    mounts = container.get("volumeMounts") if isinstance(container, dict) else None
    return any(
        isinstance(m, dict) and str(m.get("mountPath", "")).rstrip("/") == "/dev/shm"
        for m in mounts or ()
    )


_MAKERS: Mapping[str, Callable[[Thing], Iterator[Made]]] = {
    "Pod": _pod,
    CONTAINER: _container,
    "Deployment": _replicas,
    "ReplicaSet": _replicas,
    "Rollout": _replicas,
    "StatefulSet": _stateful,
    "DaemonSet": _daemon,
    "Job": _job,
    "CronJob": _job,
    "LeaderWorkerSet": _lws,
    "RayCluster": _ray,
    "RayService": _ray,
    "RayJob": _ray,
    "MPIJob": _mpi,
    "NIMService": _nim_service,
    NIM_VALUES: _nim_values,
}
