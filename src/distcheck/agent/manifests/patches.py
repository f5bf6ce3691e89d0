"""Parts of objects, which kustomize or a chart puts into wholes."""

from collections.abc import Iterable, Mapping

from distcheck.agent.manifests.making import makes
from distcheck.agent.manifests.others import MODELS
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.pattern import pattern


def has_images(thing: Thing) -> bool:
    """Whether every container that it names has an image."""
    return all(c.text("image") for m in makes(thing) for c in m.place.each("spec", "containers"))


def is_patch(thing: Thing) -> bool:
    """Whether it is a part of an object: containers without an image, and little else.

    So is a workload without selector whose labels are elsewhere, too, or what its probes ask.
    Custom resources without images are taken for whole where they say how they start.
    """
    if thing.kind == "InferenceService":
        return _is_bare(thing.place.at("spec", "predictor"))
    if thing.kind not in _PATCHED:
        return False
    places = [c for m in makes(thing) for c in m.place.each("spec", "containers")]
    if thing.kind in _SELECTING and not _selects(thing.place.at("spec"), places):
        return True
    bare = [c for c in places if not c.text("image")]
    if thing.kind in _CUSTOM:
        whole = any(thing.place.at("spec", *path) for path in _CUSTOM[thing.kind])
        return bool(bare) and len(bare) == len(places) and not whole
    return bool(bare)


def _is_bare(predictor: Place) -> bool:
    """Whether it has containers of its own without an image, and no model that gives one."""
    held = list(predictor.each("containers"))
    modelled = any(predictor.at(n) for n in MODELS)
    return bool(held) and not modelled and not any(c.text("image") for c in held)


_SELECTING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})


def _selects(spec: Place, containers: Iterable[Place]) -> bool:
    """Whether there is a selector, or the labels that one is forgotten for in a whole pod."""
    if spec.at("selector"):
        return True
    labels = bool(spec.at("template", "metadata", "labels"))
    return labels and not any(_changes_a_probe(c) for c in containers)


def _changes_a_probe(container: Place) -> bool:
    """Whether one says how often to ask, and what is asked stands elsewhere."""
    probes = filter(None, (container.at(name) for name in _PROBES))
    return any(not any(probe.at(how) for how in _ASKS) for probe in probes)


_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
_ASKS = ("httpGet", "tcpSocket", "exec", "grpc")


def is_called_patch(thing: Thing, file: str) -> bool:
    """Whether its file is called a patch, and it lacks what no whole workload lacks."""
    selects = thing.kind not in _SELECTING or thing.place.at("spec", "selector")
    return not selects and _CALLED.search(file.lower()) is not None


_CALLED = pattern(r"(?<![a-z])patch(?:es)?(?![a-z])[^/]*(?:/[^/]*)?\Z", near=("patch",))
"""The file, or the folder that it stands in."""


_CUSTOM: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "LeaderWorkerSet": (("leaderWorkerTemplate", "size"),),
    "RayCluster": (("headGroupSpec", "rayStartParams"), ("rayVersion",)),
    "RayService": (("serveConfigV2",), ("rayClusterConfig", "rayVersion")),
    "DynamoGraphDeployment": (),
}
_PATCHED = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod", *_CUSTOM}
)
