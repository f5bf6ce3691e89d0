"""What KubeRay makes of a RayCluster, RayService and RayJob."""

from collections.abc import Iterator, Mapping

from distcheck.agent.cluster.finding.members import RAY_CLUSTER
from distcheck.agent.manifests.made import Made, has_shm, tie_of
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Part


def ray(thing: Thing) -> Iterator[Made]:
    """Kuberay `common/pod.go`: names of the head's Service, variables, /dev/shm."""
    spec = thing.place.at("spec", *_WAYS.get(thing.kind, ()))
    head_name = f"{thing.name}-head-svc.{thing.namespace or 'default'}.svc.cluster.local"
    scaled = spec.at("enableInTreeAutoscaling").value is True
    head = spec.at("headGroupSpec")
    if head:
        yield _ray_made(thing, head, "leader", 1, {"RAY_ADDRESS": "127.0.0.1:6379"})
    for group in spec.each("workerGroupSpecs"):
        count = None if scaled else _ray_count(group)
        env = {"FQ_RAY_IP": head_name, "RAY_ADDRESS": f"{head_name}:6379"}
        yield _ray_made(thing, group, "worker", count, env)


_WAYS: Mapping[str, tuple[str, ...]] = {
    "RayService": ("rayClusterConfig",),
    "RayJob": ("rayClusterSpec",),
    "RayClusterFleet": ("template", "spec"),
    "RayClusterReplicaSet": ("template", "spec"),
}
"""Where the cluster stands in what makes one; AIBrix makes them by a template, as of pods."""


def _ray_made(
    thing: Thing, group: Place, part: Part, count: int | None, env: Mapping[str, str]
) -> Made:
    template = group.at("template")
    containers = template.at("spec", "containers")
    own = next(iter(containers.each()), containers)
    limit = own.at("resources", "limits", "memory").value
    request = own.at("resources", "requests", "memory").value
    size = limit if limit is not None else request
    has = any(has_shm(c.value) for c in containers.each())
    plasma = "plasma-directory" in (group.at("rayStartParams").value or {})
    return Made(
        thing, template, thing.kind, part, count, tie_of(thing),
        labels={RAY_CLUSTER: thing.name, "ray.io/node-type": _NODE[part]},
        env=env, shm=None if has or plasma else str(size or ""),
    )  # fmt: skip


_NODE = {"leader": "head", "worker": "worker", "alone": "worker"}


def _ray_count(group: Place) -> int:
    asked, low = group.number("replicas"), group.number("minReplicas")
    high, hosts = group.number("maxReplicas"), group.number("numOfHosts") or 1
    many = max(1 if asked is None and low is None else asked or 0, low or 0)
    return min(many, high) * hosts if high is not None else many * hosts
