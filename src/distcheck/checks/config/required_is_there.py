"""CONF078: fields without which an object is refused, or does nothing."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule

_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "LeaderWorkerSet": (("spec", "leaderWorkerTemplate", "workerTemplate"),),
    "RayCluster": (("spec", "headGroupSpec", "template"),),
    "RayService": (("spec", "rayClusterConfig", "headGroupSpec", "template"),),
    "MPIJob": (("spec", "mpiReplicaSpecs", "Launcher", "template"),),
    "NIMService": (("spec", "image", "repository"), ("spec", "authSecret")),
    "Deployment": (("spec", "selector"), ("spec", "template")),
    "StatefulSet": (("spec", "selector"), ("spec", "template")),
    "DaemonSet": (("spec", "selector"), ("spec", "template")),
    "Job": (("spec", "template"),),
}
_PODS: dict[str, tuple[tuple[str, ...], ...]] = {
    "LeaderWorkerSet": (
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
    ),
    "RayCluster": (("spec", "headGroupSpec", "template"),),
    "RayService": (("spec", "rayClusterConfig", "headGroupSpec", "template"),),
    "Deployment": (("spec", "template"),),
    "StatefulSet": (("spec", "template"),),
    "DaemonSet": (("spec", "template"),),
    "Job": (("spec", "template"),),
    "Pod": ((),),
}


@rule("CONF078", level="error")
def required_is_there(bundle: Bundle) -> Iterator[Finding]:
    """Each object has the fields without which it makes no pods.

    What:
        A LeaderWorkerSet has no workerTemplate, a RayService or RayCluster no head group, an
        MPIJob no Launcher, a NIMService no image or secret, a Deployment no selector or
        template, or a container has no image.

    Why:
        The API server refuses the object, or the pods that are made of it.

    Fix:
        Add the field.

    Fails:
        apiVersion: ray.io/v1
        kind: RayService
        metadata: {name: llm}
        spec:
          rayClusterConfig:
            workerGroupSpecs:
            - groupName: gpu
              replicas: 1
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: ray.io/v1
        kind: RayService
        metadata: {name: llm}
        spec:
          rayClusterConfig:
            headGroupSpec:
              template:
                spec: {containers: [{name: ray, image: "rayproject/ray:2.46.0"}]}
            workerGroupSpecs:
            - groupName: gpu
              replicas: 1
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}

    Source:
        The custom resource definitions of lws, kuberay, mpi-operator and k8s-nim-operator; the
        Kubernetes API.
    """
    for thing in bundle.things:
        if thing.fragment or thing.patch or not bundle.judged:
            continue
        bare = [c for p in _PODS.get(thing.kind, ()) for c in _bare(thing.place.at(*p))]
        for path in _NEEDS.get(thing.kind, ()):
            if not thing.place.at(*path):
                yield _without(thing, path)
                break
        for container in bare:
            name = container.text("name") or "(no name)"
            spot = container.at("name").spot if container.at("name") else container.spot
            says = f"container {name} of {thing.kind} {thing.name} has no image"
            yield Finding(spot, says)


def _without(thing: Thing, path: tuple[str, ...]) -> Finding:
    """At the deepest key that is there."""
    there = next(n for n in range(len(path), -1, -1) if n == 0 or thing.place.at(*path[:n]))
    spot = thing.place.at(*path[:there]).key if there else thing.place.at("kind").spot
    says = f"{thing.kind} {thing.name} has no {'.'.join(path)}"
    return Finding(spot, says)


def _bare(template: Place) -> Iterator[Place]:
    """Containers without an image."""
    for part in ("initContainers", "containers"):
        yield from (c for c in template.each("spec", part) if not c.text("image"))
