"""The pods that one template makes, each as its controller would make it."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Part

Raw = dict[str, Any]
MOST_PODS = 16
"""Of one template so many are looked at; the others are alike."""
FLAT = "flat "
"""Marks a template whose container's fields stand in the spec itself."""
BY_INDEX = frozenset({"LeaderWorkerSet", "LLMInferenceService"})
"""Kinds whose workers are told their number."""
_MOUNT = {"name": "shared-mem", "mountPath": "/dev/shm"}


class Made(Struct, frozen=True):
    """The pods of one template.

    `count` is how many there are in one group, None where it is not known; `tie` is the same
    for all templates of one group, empty where only addresses tie pods. `env` and `shm` (the
    size of a /dev/shm, empty for one without a limit) are what a controller puts in. `names` are
    the pods' own where they are known beforehand, of an Indexed Job (`indexed`) with the index at
    the end. `rest` is what else comes to the pods, in words,
    where the object is a part of them.
    """

    thing: Thing
    place: Place
    kind: str
    part: Part = "alone"
    count: int | None = 1
    tie: str = ""
    names: tuple[str, ...] = ()
    hostnames: bool = False
    indexed: bool = False
    subdomain: str = ""
    labels: Mapping[str, str] = {}
    env: Mapping[str, str] = {}
    shm: str | None = None
    rest: str = ""

    @property
    def owner(self) -> str:
        """The object's name."""
        return self.thing.name

    def name_of(self, number: int) -> str:
        """What pod `number` is called; where that is not known, a name that nobody can join."""
        return self.names[number] if number < len(self.names) else f"{self.owner}~{number}"

    def pod(self, number: int) -> Raw:
        """Pod `number` as the controller would make it."""
        spec = self.place.at("spec").value
        own = dict(spec) if isinstance(spec, dict) else {}
        if self.hostnames:
            own["hostname"] = self.name_of(number)
        if self.subdomain:
            own["subdomain"] = self.subdomain
        env = {**self.env, **self._own_index(number)}
        for part in ("containers", "initContainers"):
            found = own.get(part)
            if isinstance(found, list):
                own[part] = [self._with(c, env) for c in found if isinstance(c, dict)]
        if claims := [c.text("metadata", "name") for c in self._claims]:
            own["volumes"] = list(self._claimed(claims, own.get("volumes"), number))
        if self.shm is not None:
            own["volumes"] = [*(own.get("volumes") or ()), self._tmpfs()]
        return {"metadata": self._metadata(number), "spec": own}

    def _own_index(self, number: int) -> dict[str, str]:
        """The variable that tells a pod its number: of lws, AIBrix, and Kubernetes' Jobs."""
        if self._worker:
            return {"LWS_WORKER_INDEX": str(number + 1)}
        if "POD_GROUP_SIZE" in self.env:
            return {"POD_GROUP_INDEX": str(number)}
        return {"JOB_COMPLETION_INDEX": self._last(number)} if self.indexed else {}

    def _last(self, number: int) -> str:
        known = number < len(self.names)
        return self.name_of(number).rpartition("-")[2] if known else str(number)

    def _metadata(self, number: int) -> Raw:
        given = self.place.at("metadata")
        labels, notes = self.labels_of(number), given.at("annotations").value
        own = self._numbers(number) if self.indexed else {}
        return {
            "name": self.name_of(number),
            "namespace": self.thing.namespace,
            "labels": labels,
            "annotations": {**(notes if isinstance(notes, dict) else {}), **own},
            "ownerReferences": [{"kind": self.kind, "name": self.owner, "controller": True}],
        }

    def labels_of(self, number: int | None) -> Raw:
        """The labels of pod `number`; of None those that all of its pods have alike."""
        own = self.place.at("metadata", "labels").value
        given = {} if number is None else self._numbers(number)
        return {**(own if isinstance(own, dict) else {}), **self.labels, **given}

    def _numbers(self, number: int) -> dict[str, str]:
        """Labels that tell its pods apart: of lws, and of Kubernetes since 1.28."""
        if self._worker:
            return {"leaderworkerset.sigs.k8s.io/worker-index": str(number + 1)}
        if self.indexed:
            job = self.name_of(number).rpartition("-")[0].rpartition("-")[2]
            own = {"jobset.sigs.k8s.io/job-index": job} if self.kind == "JobSet" else {}
            return {**own, "batch.kubernetes.io/job-completion-index": self._last(number)}
        if self.kind != "StatefulSet":
            return {}
        return {
            "statefulset.kubernetes.io/pod-name": self.name_of(number),
            "apps.kubernetes.io/pod-index": self._last(number),
        }

    @property
    def _worker(self) -> bool:
        return self.kind in BY_INDEX and self.part == "worker"

    def _with(self, container: Raw, env: Mapping[str, str]) -> Raw:
        """With a controller's variables first, as lws and kuberay put them."""
        own = container.get("env")
        more = [{"name": k, "value": v} for k, v in env.items()]
        changed = {**container, "env": [*more, *(own if isinstance(own, list) else ())]}
        if self.shm is not None and not has_shm(container):
            mounts = [*(container.get("volumeMounts") or ()), _MOUNT]
            changed["volumeMounts"] = mounts
        return changed

    @property
    def _claims(self) -> Iterator[Place]:
        spec = self.thing.place.at("spec")
        yield from spec.each("volumeClaimTemplates")
        yield from spec.each("leaderWorkerTemplate", "volumeClaimTemplates")

    def _claimed(self, claims: list[str], given: Any, number: int) -> Iterator[Raw]:
        """A claim for each pod, and the volumes that no claim replaces."""
        for name in claims:
            claim = {"claimName": f"{name}-{self.name_of(number)}"}
            yield {"name": name, "persistentVolumeClaim": claim}
        for one in given if isinstance(given, list) else ():
            if isinstance(one, dict) and one.get("name") not in claims:
                yield one

    def _tmpfs(self) -> Raw:
        size = {"sizeLimit": self.shm} if self.shm else {}
        return {"name": "shared-mem", "emptyDir": {"medium": "Memory", **size}}


def tie_of(thing: Thing) -> str:
    """What the templates of one group have in common."""
    return f"{thing.kind}/{thing.namespace}/{thing.name}/{thing.place.of}"


def has_shm(container: Any) -> bool:
    """Whether it mounts something at /dev/shm."""
    mounts = container.get("volumeMounts") if isinstance(container, dict) else None
    return any(
        isinstance(m, dict) and mounted_at(m.get("mountPath")) == "/dev/shm" for m in mounts or ()
    )
