"""A pod template and what makes pods of it."""

from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.group import ShmDeclared
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.place import Place, Spot

_CONTROLLERS = (
    "apps.kubernetes.io/", "statefulset.kubernetes.io/", "leaderworkerset.sigs.k8s.io/",
    "batch.kubernetes.io/", "job-name", "controller-uid", "pod-template-hash", "ray.io/",
    "rollouts-pod-template-hash", "training.kubeflow.org/", "controller-revision-hash",
)  # fmt: skip
Part = Literal["leader", "worker", "alone"]


class Template(Struct, frozen=True):
    """The pods that one template makes.

    `owner` is the object, `kind` its kind (`RayService`, not the RayCluster that it makes);
    `owner_place` the object's root, `place` the template's. `pods` of them are made in one
    group; None where that cannot be known (autoscaling). `names` are the pods' names where
    they are known beforehand, at most a few. `part` is which part the owner's own fields give
    it (leaderTemplate, headGroupSpec); `alone` where they give none.
    """

    kind: str
    owner: str
    namespace: str
    owner_place: Place
    place: Place
    part: Part = "alone"
    pods: int | None = 1
    names: tuple[str, ...] = ()
    subdomain: str = ""
    labels: Mapping[str, str] = {}
    containers: tuple[Container, ...] = ()
    inits: tuple[Container, ...] = ()
    shm: ShmDeclared | None = None
    memory_limit: int | None = None
    fragment: bool = False

    @property
    def spec(self) -> Place:
        """The pod's spec."""
        return self.place.at("spec")

    @property
    def what(self) -> str:
        """As messages call it: `StatefulSet vllm-worker`, with its part where it has one."""
        part = {"leader": ", leader", "worker": ", worker"}.get(self.part, "")
        return f"{self.kind} {self.owner or '(no name)'}{part}"

    @property
    def gpus(self) -> int:
        """GPUs of one pod."""
        return sum(c.gpus for c in self.containers)

    @property
    def engine(self) -> Container | None:
        """The container that holds the ranks: with GPUs, else one that runs an engine or Ray."""
        tries = (
            (c for c in self.containers if c.gpus),
            (c for c in self.containers if c.asks or c.nim),
            (c for c in self.containers if c.ray),
            (c for c in self.containers if c.engine_image),
        )
        return next((c for found in tries for c in found), None)

    @property
    def serves(self) -> bool:
        """Whether rules judge it at all: it has GPUs, or runs an engine, Ray or NIM."""
        return self.engine is not None

    @property
    def every(self) -> Iterator[Container]:
        """All containers, init containers first."""
        yield from self.inits
        yield from self.containers

    @property
    def volumes(self) -> Mapping[str, Place]:
        """The pod's volumes by name."""
        return {v.text("name"): v for v in self.spec.each("volumes")}

    def may_be_called(self, name: str) -> bool:
        """Whether one of its pods has this host name; of many only the first are listed.

        What has 0 pods now is scaled by somebody, to how many is not known.
        """
        if name in self.names or self.spec.text("hostname") == name:
            return True
        stem, _, number = name.rpartition("-")
        if not self.names or stem != self.owner or not number.isdigit():
            return False
        return self.pods == 0 or len(self.names) <= int(number) < (self.pods or 0)

    def may_have_label(self, name: str) -> bool:
        """Whether a controller may put this label on its pods, which the manifest does not say.

        Ordinals of StatefulSets, Jobs and LeaderWorkerSets, KubeRay's and the NIM operator's.
        """
        made = self.kind in ("NIMService", "NIM Helm values")
        ray = self.kind.startswith("Ray") and name.startswith("app.kubernetes.io/")
        return name not in self.labels and (made or ray or name.startswith(_CONTROLLERS))

    @property
    def shm_spot(self) -> Spot:
        """The sizeLimit of the volume that the ranks mount at /dev/shm, or that volume."""
        engine = self.engine
        mount = engine.mount_of("/dev/shm") if engine else None
        volume = self.volumes.get(mount.text("name")) if mount else None
        if volume is None:
            return self.spot
        size = volume.at("emptyDir", "sizeLimit")
        return size.spot if size else volume.at("name").spot

    @property
    def ray_params(self) -> Place | None:
        """`rayStartParams` of the group of a RayCluster that the template stands in."""
        path = self.place.path
        if "headGroupSpec" not in path and "workerGroupSpecs" not in path:
            return None
        return self.owner_place.at(*path[:-1], "rayStartParams")

    @property
    def host_network(self) -> bool:
        """Whether its pods share the node's network."""
        return self.spec.at("hostNetwork").value is True

    @property
    def spot(self) -> Spot:
        """To point at the pods as such: the owner's name."""
        name = self.owner_place.at("metadata", "name")
        return name.spot if name else self.place.spot
