"""CONF106: parts of a NIMService that exclude each other, and of it and its cache."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template

_FIRST_WITH_RAY = 2
_BACKEND = "lws"


@rule("CONF106", level="error", others=("warning",))
def nim_operator_takes_it(bundle: Bundle) -> Iterator[Finding]:
    """A NIMService of several nodes is one that its operator takes.

    What:
        `multiNode` with `mpi` and `ray` at once, with autoscaling, on KServe, or of another
        `backendType` than lws; or, a warning, `mpi` for a NIM of release 2 or later, `ray` for one
        before. A hint: it tolerates taints, and the NIMCache that it names does not.
    Why:
        The operator's definition refuses the first ones. NIM 2.0 forms its cluster by Ray, and
        has no start by mpirun; before, it was the other way round. A cache is filled on a node
        with GPUs, unless its own `nodeSelector` names others.
    Fix:
        Keep `multiNode.ray` for NIM 2.0 and later, `multiNode.mpi` before, and take `scale` out.
    Fails:
        apiVersion: apps.nvidia.com/v1alpha1
        kind: NIMService
        metadata: {name: llama}
        spec:
          authSecret: ngc-api
          image: {repository: nvcr.io/nim/meta/llama-3.1-405b-instruct, tag: 2.0.10}
          multiNode:
            parallelism: {tensor: 8, pipeline: 2}
            mpi: {mpiStartTimeout: 600}
            ray: {rayPort: 6379}
          resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: apps.nvidia.com/v1alpha1
        kind: NIMService
        metadata: {name: llama}
        spec:
          authSecret: ngc-api
          image: {repository: nvcr.io/nim/meta/llama-3.1-405b-instruct, tag: 2.0.10}
          multiNode:
            parallelism: {tensor: 8, pipeline: 2}
            ray: {rayPort: 6379}
          resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: apps.nvidia.com/v1alpha1
        kind: NIMService
        metadata: {name: llama}
        spec:
          authSecret: ngc-api
          image: {repository: r.io/mirror/llama, tag: latest}
          multiNode:
            parallelism: {tensor: 8, pipeline: 2}
            mpi: {mpiStartTimeout: 600}
          resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        k8s-nim-operator api/apps/v1alpha1/nimservice_types.go (XValidation, NIMBackendType),
        nimservice_webhook_validation_helper.go; NIM operator 3.1: Multi-Node NIM Deployment;
        nimcache_types.go (GetNodeSelector, GetTolerations).
    """
    for template in bundle.templates:
        if template.kind == "NIMService" and template.part != "worker":
            yield from _service(template)
            yield from _cache(bundle, template)


def _cache(bundle: Bundle, template: Template) -> Iterator[Finding]:
    """The job that fills its cache, which goes to nodes with GPUs, too."""
    spec = template.owner_place.at("spec")
    name, taints = spec.text("storage", "nimCache", "name"), spec.at("tolerations")
    for cache in bundle.of_kind("NIMCache.apps.nvidia.com"):
        own = cache.place.at("spec")
        near = cache.name == name and cache.namespace == template.namespace
        if near and taints.at(0) and not (own.at("tolerations") or own.at("nodeSelector")):
            says = f"NIMCache {name} tolerates no taint, and its job wants a node with GPUs"
            fix = "Write the tolerations of the NIMService here, too."
            spot = cache.place.at("metadata", "name").spot
            unseen = "whether all nodes with GPUs are tainted"
            yield Finding(spot, says, fix, unseen=unseen, also=(taints.key,))


def _service(template: Template) -> Iterator[Finding]:
    spec = template.owner_place.at("spec")
    many, scale = spec.at("multiNode"), spec.at("scale", "enabled")
    if many.at("mpi") and many.at("ray"):
        says = "multiNode has mpi and ray, which exclude each other"
        yield Finding(many.at("ray").key, says, f"Take out {_other(_by_release(spec))}.")
    elif wrong := _of_another_release(spec, many):
        yield wrong
    backend = many.at("backendType")
    if backend.text() not in ("", _BACKEND):
        says = f"there is no backendType {backend.text()}: the operator takes {_BACKEND} alone"
        yield Finding(backend.spot, says, f"Write {_BACKEND}.", unseen=filled_later(backend.text()))
    if scale.value is True and many:
        says = "scale is enabled, and a NIMService with multiNode does not scale by itself"
        yield Finding(scale.spot, says, "Take `scale` out, and set `replicas`.")
    if many and spec.text("inferencePlatform") == "kserve":
        says = "multiNode cannot be set where inferencePlatform is kserve"
        yield Finding(many.key, says, "Write `inferencePlatform: standalone`.")


def _by_release(spec: Place) -> str:
    """What forms the cluster in this release of NIM; empty where that is not known."""
    image = spec.at("image")
    first, dot, _ = image.text("tag").partition(".")
    known = image.text("repository").startswith("nvcr.io/nim/") and dot and first.isdigit()
    if not known or len(first) > 1:
        return ""
    return "ray" if int(first) >= _FIRST_WITH_RAY else "mpi"


def _other(kept: str) -> str:
    """What to take out."""
    return {"ray": "`mpi`", "mpi": "`ray`"}.get(kept, "one of them")


def _of_another_release(spec: Place, many: Place) -> Finding | None:
    right = _by_release(spec)
    wrong = {"ray": "mpi", "mpi": "ray"}.get(right, "")
    if not wrong or not many.at(wrong) or (many.number("parallelism", "pipeline") or 1) < 2:
        return None
    tag = spec.text("image", "tag")
    says = f"multiNode has {wrong}, and NIM {tag} forms its cluster by {_BY[right]}"
    fix = "Write `ray: {rayPort: 6379}` in its place."
    fix = fix if right == "ray" else "Write `mpi: {mpiStartTimeout: 6000}` in its place."
    return Finding(many.at(wrong).key, says, fix, level="warning")


_BY = {"ray": "Ray", "mpi": "mpirun"}
