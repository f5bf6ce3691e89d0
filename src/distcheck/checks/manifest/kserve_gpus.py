"""GPUs of InferenceServices over several nodes, which KServe counts by what is requested.

KServe `components/predictor.go` (computeRayNodeAndGPUs, since 0.15.1): where neither the head's
container nor the worker's requests GPUs, TP x PP pods are made with 1 GPU each, whatever the limits
are. The runtime that KServe ships, kserve-huggingfaceserver-multinode, requests none.
"""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place

SHIPPED = "kserve-huggingfaceserver-multinode"
_RUNTIMES = ("ServingRuntime", "ClusterServingRuntime")
_HF = "huggingface"


def pods_of_one_gpu(bundle: Bundle) -> Iterator[Finding]:
    """Tensor parallelism over such pods. What a group tells itself is found there."""
    told = {g.name for g in bundle.groups if g.intent.tp}
    for thing in bundle.of_kind("InferenceService"):
        predictor = thing.place.at("spec", "predictor")
        tensor = predictor.at("workerSpec", "tensorParallelSize")
        tp, model = tensor.number() or 1, predictor.at("model")
        if tp == 1 or thing.patch or thing.fragment or thing.name in told:
            continue
        runtime = _runtime(bundle, thing, model)
        if runtime is None or not _requests_none(predictor, runtime):
            continue
        says = f"TP={tp} crosses pods of 1 GPU: none is requested, so KServe gives each pod one"
        limited = any(_named(c.at("resources", "limits")) for c in _own(predictor))
        says += ", whatever the limits are" if limited else ""
        both = f"{{requests: {{nvidia.com/gpu: {tp}}}, limits: {{nvidia.com/gpu: {tp}}}}}"
        fix = f"Write `resources: {both}` in `model`, and in the container of workerSpec."
        unseen = "" if runtime else ", with its own runtime as it is"
        yield Finding(tensor.spot, says, fix, unseen=f"whether KServe is 0.15.1 or newer{unseen}")


def _runtime(bundle: Bundle, thing: Thing, model: Place) -> Place | None:
    """The spec of its runtime; an empty place for KServe's own, None where it is not known."""
    name = model.text("runtime")
    named = [t for t in bundle.of_kind(*_RUNTIMES) if t.name == name]
    near = [t for t in named if not thing.namespace or t.namespace in ("", thing.namespace)]
    if near:
        return near[0].place.at("spec")
    own = name == SHIPPED and model.text("modelFormat", "name") in ("", _HF)
    return model.at("no runtime") if own else None


def _requests_none(predictor: Place, runtime: Place) -> bool:
    """Whether nothing that is seen requests an accelerator; with `mp` TP is each pod's."""
    if runtime.at("annotations", "multinode/executor-backend"):
        return False
    base = (*runtime.each("containers"), *runtime.each("workerSpec", "containers"))
    return not any(_named(c.at("resources", "requests")) for c in (*_own(predictor), *base))


def _own(predictor: Place) -> Iterator[Place]:
    yield predictor.at("model")
    yield from predictor.each("workerSpec", "containers")


def _named(amounts: Place) -> bool:
    """Whether it names anything but what every container has."""
    return any(n not in ("cpu", "memory", "ephemeral-storage") for n, _ in amounts.fields())
