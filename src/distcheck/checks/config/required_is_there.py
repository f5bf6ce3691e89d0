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
    "RayJob": (("spec", "rayClusterSpec", "headGroupSpec", "template"),),
    "MPIJob": (("spec", "mpiReplicaSpecs", "Launcher", "template"),),
    "NIMService": (("spec", "image", "repository"), ("spec", "authSecret")),
    "Deployment": (("spec", "selector"), ("spec", "template")),
    "StatefulSet": (("spec", "selector"), ("spec", "template")),
    "DaemonSet": (("spec", "selector"), ("spec", "template")),
    "Job": (("spec", "template"),),
}
_ROLES = ("Launcher", "Worker")
_WORKERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "RayCluster": (("spec", "workerGroupSpecs"),),
    "RayService": (("spec", "rayClusterConfig", "workerGroupSpecs"),),
    "RayJob": (("spec", "rayClusterSpec", "workerGroupSpecs"),),
}
_PODS: dict[str, tuple[tuple[str, ...], ...]] = {
    "LeaderWorkerSet": (
        ("spec", "leaderWorkerTemplate", "workerTemplate"),
        ("spec", "leaderWorkerTemplate", "leaderTemplate"),
    ),
    "RayCluster": (("spec", "headGroupSpec", "template"),),
    "RayService": (("spec", "rayClusterConfig", "headGroupSpec", "template"),),
    "RayJob": (("spec", "rayClusterSpec", "headGroupSpec", "template"),),
    "MPIJob": (
        ("spec", "mpiReplicaSpecs", "Launcher", "template"),
        ("spec", "mpiReplicaSpecs", "Worker", "template"),
    ),
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
        A LeaderWorkerSet has no workerTemplate, a RayService or RayCluster no head group, a group
        of its workers no name, an MPIJob no Launcher, a NIMService no image or secret, a
        Deployment no selector or template, a container no image, or a `secretKeyRef` no key.

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

    Unsure:
        spec:
          rayClusterConfig:
            workerGroupSpecs:
            - groupName: gpu
              template:
                spec:
                  containers:
                  - name: ray
                    image: rayproject/ray:2.46.0
                    resources: {limits: {nvidia.com/gpu: 8}}
          serveConfigV2: ""

    Source:
        lws api/leaderworkerset/v1, kuberay apis/ray/v1, mpi-operator pkg/apis/kubeflow/v2beta1 and
        k8s-nim-operator api/apps/v1alpha1; Kubernetes: API reference.
    """
    for thing in bundle.things:
        if thing.fragment or thing.patch or not bundle.judged:
            continue
        bare = [c for t in _templates(thing) for c in _bare(t)]
        for path in _NEEDS.get(thing.kind, ()):
            if not thing.place.at(*path) and not _asks_another_cluster(thing):
                yield _without(thing, path)
                break
        for group in (g for path in _WORKERS.get(thing.kind, ()) for g in thing.place.each(*path)):
            if isinstance(group.value, dict) and not group.at("groupName"):
                says = f"a group of workers of {thing.what} has no groupName"
                yield Finding(group.spot, says, "Add `groupName`.")
        yield from _of_mpi(thing)
        yield from (_keyless(source, where) for source, where in _keyless_of(thing))
        for container in bare:
            name = container.text("name") or "(no name)"
            spot = container.at("name").spot if container.at("name") else container.spot
            says = f"container {name} of {thing.what} has no image"
            yield Finding(spot, says, "Add `image`.")


def _of_mpi(thing: Thing) -> Iterator[Finding]:
    """Roles of an MPIJob are keys of a map, so no schema refuses another spelling."""
    for name, place in thing.place.fields("spec", "mpiReplicaSpecs"):
        if thing.kind == "MPIJob" and name not in _ROLES and name.title() in _ROLES:
            says = f"{thing.what} has {name}, and the operator looks for {name.title()}"
            yield Finding(place.key, says, f"Write `{name.title()}`.")


def _asks_another_cluster(thing: Thing) -> bool:
    """A RayJob may choose a RayCluster that is there by its labels."""
    return thing.kind == "RayJob" and bool(thing.place.at("spec", "clusterSelector").value)


def _without(thing: Thing, path: tuple[str, ...]) -> Finding:
    """At the deepest key that is there."""
    there = next(n for n in range(len(path), -1, -1) if n == 0 or thing.place.at(*path[:n]))
    spot = thing.place.at(*path[:there]).key if there else thing.place.at("kind").spot
    says = f"{thing.what} has no {'.'.join(path)}"
    return Finding(spot, says, f"Add `{'.'.join(path)}`.")


def _templates(thing: Thing) -> Iterator[Place]:
    """The pod templates in it; those of Ray's workers stand in a list."""
    yield from (thing.place.at(*path) for path in _PODS.get(thing.kind, ()))
    for path in _PODS.get(thing.kind, ()):
        if "headGroupSpec" in path:
            groups = thing.place.each(*path[:-2], "workerGroupSpecs")
            yield from (g.at("template") for g in groups)


def _keyless_of(thing: Thing) -> Iterator[tuple[Place, str]]:
    """What variables are taken from, where nothing says which key of it."""
    for template in _templates(thing):
        for part in ("initContainers", "containers"):
            for container in template.each("spec", part):
                for variable in container.each("env"):
                    for way in ("secretKeyRef", "configMapKeyRef"):
                        source = variable.at("valueFrom", way)
                        if isinstance(source.value, dict) and source.at("key").value in (None, ""):
                            yield source, variable.text("name")


def _keyless(source: Place, variable: str) -> Finding:
    kind = "Secret" if source.path[-1] == "secretKeyRef" else "ConfigMap"
    says = f"{source.path[-1]} of {variable} does not say which key of the {kind}"
    return Finding(source.key, says, "Add `key`.")


def _bare(template: Place) -> Iterator[Place]:
    """Containers without an image."""
    for part in ("initContainers", "containers"):
        yield from (c for c in template.each("spec", part) if not c.text("image"))
