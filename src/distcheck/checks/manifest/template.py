"""A pod template and what makes pods of it."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from msgspec import Struct

from distcheck.checks.evidence.group import ShmDeclared
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.place import Place, Spot, titled

_CONTROLLERS = (
    "apps.kubernetes.io/", "statefulset.kubernetes.io/", "leaderworkerset.sigs.k8s.io/",
    "batch.kubernetes.io/", "jobset.sigs.k8s.io/", "job-name", "controller-uid",
    "pod-template-hash", "ray.io/",
    "rollouts-pod-template-hash", "training.kubeflow.org/", "controller-revision-hash",
)  # fmt: skip
Part = Literal["leader", "worker", "alone"]
GRAPH = "DynamoGraphDeployment"


class Template(Struct, frozen=True, dict=True):
    """The pods that one template makes.

    `owner` is the object, `kind` its kind (`RayService`, not the RayCluster that it makes);
    `owner_place` the object's root, `place` the template's. `pods` of them are made in one
    group; None where that cannot be known (autoscaling). `names` are the pods' names where
    they are known beforehand, at most a few. `part` is which part the owner's own fields give
    it (leaderTemplate, headGroupSpec); `alone` where they give none. `told`: its owner's own fields
    ask for a model (`serveConfigV2`), whatever its containers say. `served` is that configuration
    where it is Ray Serve's and can be read, on the head's template. `rest` is what comes to the
    pods beside what is seen, in words: of a part of pods rules say what holds whatever that is.
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
    told: bool = False
    served: Any = None
    rest: str = ""

    @property
    def spec(self) -> Place:
        """The pod's spec."""
        return self.place.at("spec")

    @property
    def node_terms(self) -> Iterator[Place]:
        """What its node affinity requires: one of these terms must hold."""
        affinity = self.spec.at("affinity", "nodeAffinity")
        required = affinity.at("requiredDuringSchedulingIgnoredDuringExecution")
        yield from required.each("nodeSelectorTerms")

    @property
    def what(self) -> str:
        """As messages call it: `LeaderWorkerSet vllm (worker)`, with its part where it has one."""
        part = "" if self.part == "alone" else f" ({self.part})"
        return f"{titled(self.kind, self.owner)}{part}"

    @property
    def by_nim(self) -> bool:
        """Whether NIM's operator or chart makes it, and adds labels, ports and volumes."""
        return self.kind in ("NIMService", "NIM Helm values")

    @property
    def by_operator(self) -> bool:
        """Whether an operator makes it, and adds labels, ports, volumes and Services."""
        ends = ("InferenceService", "ServingRuntime")
        return self.by_nim or self.kind == GRAPH or self.kind.endswith(ends)

    @property
    def pods_in_all(self) -> int | None:
        """Its pods in all copies of the group; None where their number is not known."""
        of_lws = self.kind == "LeaderWorkerSet"
        copies = self.owner_place.number("spec", "replicas") if of_lws else 1
        return None if self.pods is None else self.pods * (1 if copies is None else copies)

    @property
    def gpus(self) -> int:
        """GPUs of one pod."""
        return sum(c.gpus for c in self.containers)

    @property
    def may_have_claimed(self) -> bool:
        """Whether its GPUs may come by claims of resources, which tell no number here."""
        return not self.gpus and any(c.place.at("resources", "claims") for c in self.containers)

    @cached_property
    def engine(self) -> Container | None:
        """The container that holds the ranks: with GPUs, else one that runs an engine or Ray."""
        tries = (
            (c for c in self.containers if c.gpus),
            (c for c in self.containers if c.asks or c.nim),
            (c for c in self.containers if c.ray),
            (c for c in self.containers if c.engine_image or self.told),
        )
        return next((c for found in tries for c in found), None)

    @property
    def serves(self) -> bool:
        """Whether rules judge it at all: it has GPUs, or runs an engine, Ray or NIM."""
        return self.engine is not None

    @property
    def of_ray(self) -> bool:
        """Whether it is in a RayCluster: KubeRay starts Ray in its first container."""
        return self.kind.startswith("Ray")

    @property
    def every(self) -> Iterator[Container]:
        """All containers, init containers first."""
        yield from self.inits
        yield from self.containers

    @property
    def volumes(self) -> Mapping[str, Place]:
        """The pod's volumes by name, without those that a claim replaces."""
        claims = self.claims
        named = ((v.text("name"), v) for v in self.spec.each("volumes"))
        return {name: v for name, v in named if name not in claims}

    @property
    def claims(self) -> Mapping[str, Place]:
        """The claims that are made for each pod; they win over volumes of their name.

        updateStorage of Kubernetes' StatefulSet controller, which also makes lws's pods.
        """
        spec = self.owner_place.at("spec")
        return {
            claim.text("metadata", "name"): claim
            for held in (spec, spec.at("leaderWorkerTemplate"))
            for claim in held.each("volumeClaimTemplates")
        }

    def may_be_called(self, name: str) -> bool:
        """Whether one of its pods has this host name; of many only the first are listed.

        What has 0 pods now is scaled by somebody, to how many is not known.
        """
        if name in self.names or self.spec.text("hostname") == name:
            return True
        stem, _, number = name.rpartition("-")
        if not self.names or stem != self.owner or not number.isdigit():
            return False
        start = self.names[0].rpartition("-")[2]
        first = int(start) if start.isdigit() else 0
        last = first + (self.pods or 0)
        return self.pods == 0 or first + len(self.names) <= int(number) < last

    def may_have_label(self, name: str) -> bool:
        """Whether a controller may put this label on its pods, which the manifest does not say.

        Ordinals of StatefulSets, Jobs and LeaderWorkerSets, KubeRay's and the NIM operator's.
        """
        ray = self.kind.startswith("Ray") and name.startswith("app.kubernetes.io/")
        return name not in self.labels and (
            self.by_operator or ray or name.startswith(_CONTROLLERS)
        )

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
    def shm_field(self) -> str:
        """What the size of /dev/shm is called where its owner is told it."""
        if self.kind == GRAPH:
            old = self.owner_place.at("spec", "services")
            return "sharedMemory.size" if old else "sharedMemorySize"
        return "sharedMemorySizeLimit" if self.by_nim else "sizeLimit"

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
