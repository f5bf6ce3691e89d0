"""What KServe's webhook, or Knative behind it, refuses, and what none of its parts reads."""

from collections.abc import Iterator
from math import prod

from distcheck.checks.knowledge.mounts import is_below
from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.placement import unattached
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.pattern import pattern

_CLASS = "serving.kserve.io/autoscalerClass"
_MODE = "serving.kserve.io/deploymentMode"


def scaled(thing: Thing) -> Iterator[Finding]:
    """An autoscaler of nodes that one model needs all of: `none` alone is taken."""
    predictor = thing.place.at("spec", "predictor")
    worker, told = predictor.at("workerSpec"), thing.place.at("metadata", "annotations", _CLASS)
    if not worker or not predictor.at("model") or told.text() == "none":
        return
    fix = f'Write `{_CLASS}: "none"`.'
    if told.text() == "external":
        says = "autoscalerClass is external: with workerSpec KServe takes none alone"
        yield Finding(told.spot, says, fix, unseen="whether KServe is older than 0.15.1")
    elif told:
        says = f"autoscalerClass is {told.value}: with workerSpec KServe takes none alone"
        yield Finding(told.spot, says, fix, unseen=filled_later(told.value))
    else:
        says = f"workerSpec without {_CLASS}: KServe refuses it"
        yield Finding(worker.key, says, f"{fix[:-1]}, in the service's annotations.")


def without_knative(thing: Thing) -> Iterator[Finding]:
    """Fields of the pod that Knative takes only where its administrator allows them."""
    mode = thing.place.at("metadata", "annotations", _MODE)
    for name in ("hostIPC", "hostNetwork", "hostPID"):
        field = thing.place.at("spec", "predictor", name)
        if mode.text() in ("Serverless", "Knative") and field.value is True:
            says = f"{name}, and Knative, which {mode.text()} mode uses, does not take it"
            fix = f"Write `{_MODE}: Standard` (RawDeployment before 0.16)."
            unseen = f"whether config-features has kubernetes.podspec-{name.lower()}"
            yield Finding(field.key, says, fix, unseen=unseen, also=(mode.spot,))


def stages(bundle: Bundle, thing: Thing, part: Place) -> Iterator[Finding]:
    """`parallelism.pipeline` of an LLMInferenceService, for which KServe ships no configuration."""
    told = part.at("parallelism", "pipeline")
    if (told.number() or 0) < _SEVERAL or part.at("parallelism", "data"):
        return
    own = [t for t in bundle.of_kind("LLMInferenceServiceConfig") if _CONFIG in t.name]
    if part.at("worker"):
        if not own:
            says = f"pipeline with a worker needs an LLMInferenceServiceConfig {_NAME}"
            fix = "Add one, or split the model by `data` and `tensor`."
            yield Finding(told.key, f"{says}, which KServe does not ship", fix, unseen=_MAYBE)
    elif not thing.place.at("spec", "baseRefs") and "pipeline" not in _words(part):
        says = f"pipeline {told.value} without a worker: no configuration of KServe's reads it"
        yield Finding(told.key, says, "Add it to `tensor`, or add `worker`.", unseen=_OTHER)


def one_nodes_claim(bundle: Bundle) -> Iterator[Finding]:
    """The claim with the model, mounted in head and workers, where one node may mount it."""
    claims = {(t.namespace, t.name): t.place for t in bundle.of_kind("PersistentVolumeClaim")}
    for thing in bundle.of_kind("InferenceService", "LLMInferenceService"):
        uri, gpus = _over_nodes(thing.place.at("spec"))
        name = uri.text().removeprefix("pvc://").partition("/")[0]
        claim = claims.get((thing.namespace, name)) if uri.text().startswith("pvc://") else None
        modes = {m.text(): m.spot for m in claim.each("spec", "accessModes")} if claim else {}
        if claim and gpus > _ONE_NODE and modes and modes.keys() <= _ONE:
            says = f"pods of {thing.what} on several nodes mount claim {name}, {min(modes)}"
            fix = "Write ReadWriteMany, with a storage class that has it."
            unseen = "" if min(modes) == _ONE_POD else unattached(claim)
            yield Finding(uri.spot, says, fix, also=(modes[min(modes)],), unseen=unseen)


def _over_nodes(spec: Place) -> tuple[Place, int]:
    """Where the model is, and the GPUs of one copy where it has workers."""
    predictor, told = spec.at("predictor"), spec.at("parallelism")
    if worker := predictor.at("workerSpec"):
        sizes = (worker.number(f"{n}ParallelSize") or 1 for n in ("pipeline", "tensor"))
        return predictor.at("model", "storageUri"), prod(sizes)
    sizes = (told.number(n) or 1 for n in ("pipeline", "data", "tensor"))
    return spec.at("model", "uri"), prod(sizes) if spec.at("worker") else 0


_ONE_POD = "ReadWriteOncePod"
_ONE = frozenset({"ReadWriteOnce", _ONE_POD})
_ONE_NODE = 8
"""More GPUs than these are on no usual node."""


def cache_beside_the_claim(bundle: Bundle) -> Iterator[Finding]:
    """NIM's cache elsewhere than where KServe mounts the claim of `storageUri`."""
    for template in bundle.templates:
        uri = template.owner_place.at("spec", "predictor", "model", "storageUri")
        if template.kind != "InferenceService" or not uri.text().startswith("pvc://"):
            continue
        for container in template.containers:
            told = container.variable("NIM_CACHE_PATH")
            path = (told.value or "").rstrip("/") if told else ""
            mounts = [m.text("mountPath") for m in container.place.each("volumeMounts")]
            held = any(m and is_below(path, m) for m in (*mounts, _MOUNTED))
            if told and path.startswith("/") and container.nim and not held:
                says = f"NIM_CACHE_PATH={told.value}, and KServe mounts {uri.text()} at {_MOUNTED}:"
                says = f"{says} nothing of it is used"
                fix = f"Write {_MOUNTED}/cache, or another folder below {_MOUNTED}."
                spot = told.place.at("value").spot
                yield Finding(spot, says, fix, also=(uri.spot,))


_MOUNTED = "/mnt/models"
_SEVERAL = 2
_CONFIG = "worker-pipeline-parallel"
_NAME = f"kserve-config-llm-{_CONFIG}"
_MAYBE = "whether the cluster has it"
_OTHER = "whether the cluster's configurations are KServe's own"


def _words(part: Place) -> str:
    """All that the template's containers are told, and their variables."""
    words = []
    for one in part.each("template", "containers"):
        words += [str(w.value) for name in ("command", "args") for w in one.each(name)]
        words += [v.text("value") for v in one.each("env")]
    return " ".join(words).lower()


def over_default_limits(thing: Thing) -> Iterator[Finding]:
    """Requests above the limits that KServe puts where none are written."""
    predictor = thing.place.at("spec", "predictor")
    model = predictor.at("model")
    shipped = model.text("runtime") in ("", "kserve-huggingfaceserver")
    hugging = model.text("modelFormat", "name") == "huggingface"
    own = model if model and shipped and hugging else predictor.at("containers", 0)
    for name, most in _DEFAULTS.items():
        asked = own.at("resources", "requests", name)
        if not own.at("resources", "limits", name) and _amount(asked.value) > _amount(most):
            says = f"{asked.value} of {name} are requested, and without a limit KServe sets {most}"
            fix = f"Write `limits: {{{name}: {asked.value}}}`."
            unseen = "what KServe's configuration, or its runtime, has as limits"
            yield Finding(asked.key, says, fix, unseen=unseen)


def gpus_of_no_container(thing: Thing) -> Iterator[Finding]:
    """Devices in the pod's own `resources`, which KServe hands to no container."""
    predictor = thing.place.at("spec", "predictor")
    for part, where in ((predictor, "model"), (predictor.at("workerSpec"), _CONTAINER)):
        told = (f for n in ("limits", "requests") for f in part.fields("resources", n))
        name, place = next(((n, p) for n, p in told if "/" in n), ("", part))
        if name:
            says = f"{name} stands in {part.path[-1]}.resources, which gives it to no container"
            yield Finding(place.key, says, f"Move `resources` into {where}.", level="warning")


_CONTAINER = "`containers: [{name: worker-container}]` of workerSpec"
_DEFAULTS = {"cpu": "1", "memory": "2Gi"}
_UNITS = {"m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "M": 1e6, "G": 1e9}


def _amount(value: object) -> float:
    """A quantity as a number; 0 where it is none."""
    text = str(value).strip()
    unit = next((u for u in _UNITS if text.endswith(u)), "")
    number = text.removesuffix(unit)
    return float(number) * _UNITS.get(unit, 1) if _NUMBER.fullmatch(number) else 0


_NUMBER = pattern(r"\d{1,18}(?:\.\d{1,9})?")
