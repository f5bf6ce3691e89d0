"""The services of a DynamoGraphDeployment, as v1alpha1 and v1beta1 write them."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from distcheck.checks.manifest.pieced import Pieced
from distcheck.checks.manifest.place import Place

MAIN = "main"
_OWN_START = frozenset({"frontend", "planner", "epp"})


class Service(Struct, frozen=True):
    """One of them: where it stands, its pod's spec and its main container.

    `old`: it is of v1alpha1, which has fields of its own beside the pod's.
    """

    name: str
    place: Place
    pod: Place
    main: Place
    old: bool

    @property
    def role(self) -> str:
        """What it is in the graph: worker, prefill, decode, frontend."""
        return self.place.text("componentType" if self.old else "type")

    @property
    def has_own_start(self) -> bool:
        """Whether the operator starts something where it has no command."""
        return self.role in _OWN_START

    @property
    def shm(self) -> str:
        """The size that is told for /dev/shm: `0` for none, empty for the operator's own."""
        if self.place.at("sharedMemory", "disabled").value is True:
            return "0"
        size = self.shm_place.value
        return "" if size is None or (self.old and str(size) == "0") else str(size)

    @property
    def shm_place(self) -> Place:
        """Where the size of /dev/shm is told."""
        way = ("sharedMemory", "size") if self.old else ("sharedMemorySize",)
        return self.place.at(*way)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The labels and annotations of its pods, as far as they are told."""
        if not self.old:
            return self.place.at("podTemplate", "metadata").value or {}
        more = self.place.at("extraPodMetadata")
        return {
            k: {**(self.place.at(k).value or {}), **(more.at(k).value or {})}
            for k in ("labels", "annotations")
        }


def claims(graph: Place) -> Iterator[tuple[str, Place]]:
    """The claims that its operator makes, by name, in the form of Kubernetes' own."""
    for one in graph.each("spec", "pvcs"):
        mode = one.at("volumeAccessMode")
        if one.at("create").value is True and mode:
            spec = {"accessModes": [mode.value], "storageClassName": one.text("storageClass")}
            homes = {(): one, ("spec", "accessModes", 0): mode}
            yield one.text("name"), Pieced(one.of, one.path, {"spec": spec}, (), homes)


def services(graph: Place) -> Iterator[Service]:
    """Those of a whole object; v1beta1 calls them components."""
    spec = graph.at("spec")
    for name, place in spec.fields("services"):
        pod = place.at("extraPodSpec")
        yield Service(name, place, pod, pod.at("mainContainer"), old=True)
    for place in spec.each("components"):
        pod = place.at("podTemplate", "spec")
        named = (c for c in pod.each("containers") if c.text("name") == MAIN)
        yield Service(place.text("name"), place, pod, next(named, pod.at("no main")), old=False)
