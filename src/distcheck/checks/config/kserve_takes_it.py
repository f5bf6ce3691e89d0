"""CONF108: what KServe refuses, and containers by names that it does not look for."""

from collections.abc import Iterator

from msgspec.structs import replace

from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.kserve_refused import (
    cache_beside_the_claim,
    gpus_of_no_container,
    one_nodes_claim,
    over_default_limits,
    scaled,
    stages,
    without_knative,
)
from distcheck.checks.manifest.place import NO_NAME, Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later

_HEAD, _WORKER, _MAIN = "kserve-container", "worker-container", "main"
_SIZES = ("PIPELINE_PARALLEL_SIZE", "TENSOR_PARALLEL_SIZE")
_RUNTIMES = ("ServingRuntime", "ClusterServingRuntime")

_OF_MODELMESH = ("builtInAdapter", "grpcEndpoint", "grpcDataEndpoint", "multiModel")
"""ModelMesh starts runtimes for many models, whatever their containers are called."""


@rule("CONF108", level="error", others=("warning",))
def kserve_takes_it(bundle: Bundle) -> Iterator[Finding]:
    """KServe makes pods of what it is told, and its own containers are called as it calls them.

    What:
        An LLMInferenceService has `worker` without `parallelism.pipeline` or `data`, has both, has
        one of `data` and `dataLocal`, one of them below 1, or a container without an image that is
        not called main. An InferenceService with `workerSpec` has a model without storageUri, or
        one that is no claim or image (pvc://, oci://), variables for its sizes, a size below 1,
        several containers in workerSpec, or another `autoscalerClass` than none. Head and workers
        mount a ReadWriteOnce claim. A ServingRuntime has no container kserve-container, or none
        called worker-container in its workerSpec, or it has no workerSpec and an InferenceService
        with one uses it.
        A warning: NIM's cache is elsewhere than the claim that KServe mounts at /mnt/models, or
        GPUs stand in `resources` of `predictor` or `workerSpec`, not of a model or container.
        Hints: `pipeline`, for which KServe ships no configuration; requests above its default
        limits of 1 CPU and 2 GiB; hostIPC for Knative.
    Why:
        The webhook refuses the object, or the controller makes no pods of it. KServe puts its
        image, command, probes and /dev/shm under the container of its name: beside another name
        it adds a second container. A pod's own `resources` have cpu, memory and huge pages alone.
    Fix:
        Write the sizes and names as KServe reads them.
    Fails:
        apiVersion: serving.kserve.io/v1alpha2
        kind: LLMInferenceService
        metadata: {name: deepseek}
        spec:
          model: {uri: "hf://deepseek-ai/DeepSeek-R1-0528"}
          parallelism: {data: 16, tensor: 1}
          template:
            containers:
            - name: main
              resources: {limits: {nvidia.com/gpu: 8}}
          worker:
            containers:
            - name: vllm
              resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: serving.kserve.io/v1alpha2
        kind: LLMInferenceService
        metadata: {name: deepseek}
        spec:
          model: {uri: "hf://deepseek-ai/DeepSeek-R1-0528"}
          parallelism: {data: 16, dataLocal: 8, tensor: 1}
          template:
            containers:
            - name: main
              resources: {limits: {nvidia.com/gpu: 8}}
          worker:
            containers:
            - name: main
              resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: serving.kserve.io/v1alpha2
        kind: LLMInferenceService
        metadata: {name: llama}
        spec:
          model: {uri: "hf://meta-llama/Llama-3.1-8B-Instruct"}
          baseRefs: [{name: with-a-sidecar}]
          template:
            containers:
            - name: sidecar
              resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        KServe pkg/apis/serving/v1alpha2/llm_inference_service_validation.go, since 0.16;
        pkg/controller/v1alpha2/llmisvc/config_merge.go and config/llmisvcconfig, up to 0.20;
        pkg/apis/serving/v1beta1/inference_service_validation.go (validateMultiNodeVariables),
        inference_service_defaults.go (setResourceRequirementDefaults) and
        pkg/controller/v1beta1/inferenceservice/utils (MergeServingRuntimeAndInferenceServiceSpecs).
    """
    yield from one_nodes_claim(bundle)
    yield from (replace(one, level="warning") for one in cache_beside_the_claim(bundle))
    for thing in bundle.things:
        if thing.patch or thing.fragment:
            continue
        spec = thing.place.at("spec")
        if thing.kind == "LLMInferenceService":
            for part in (spec, spec.at("prefill")):
                yield from _sizes(part)
                yield from stages(bundle, thing, part)
                yield from _unnamed(thing, part)
        elif thing.kind == "InferenceService":
            yield from _nodes(spec.at("predictor"))
            yield from _without_workers(bundle, thing, spec.at("predictor"))
            yield from scaled(thing)
            yield from without_knative(thing)
            yield from over_default_limits(thing)
            yield from gpus_of_no_container(thing)
        elif thing.kind in _RUNTIMES and not any(spec.at(n).value for n in _OF_MODELMESH):
            yield from _lacking(spec, _HEAD)
            yield from _lacking(spec.at("workerSpec"), _WORKER)


def _sizes(part: Place) -> Iterator[Finding]:
    """What the webhook asks of `parallelism`."""
    told, worker = part.at("parallelism"), part.at("worker")
    data, local, stages = (told.at(n) for n in ("data", "dataLocal", "pipeline"))
    yield from (_too_small(one) for one in (data, local, stages) if _is_below_1(one))
    if worker and not (data or local or stages):
        says = "a worker without parallelism.pipeline or data: KServe refuses it"
        fix = "Add `parallelism: {data: N, dataLocal: GPUs of a pod / tensor}`."
        yield Finding(worker.key, says, fix)
    elif stages and (data or local):
        says = "both pipeline and data: KServe takes one of them"
        yield Finding(stages.key, says, "Take one of them away.", also=((data or local).key,))
    elif data and not local:
        fix = "Add `dataLocal`: how many of the copies one pod starts."
        yield Finding(data.key, "data without dataLocal: KServe refuses it", fix)
    elif local and not data:
        fix = "Add `data`: how many copies there are in all."
        yield Finding(local.key, "dataLocal without data: KServe refuses it", fix)


def _is_below_1(size: Place) -> bool:
    return type(size.value) is int and size.value < 1


def _too_small(size: Place) -> Finding:
    says = f"{size.path[-2]}.{size.path[-1]} is {size.value}: KServe takes 1 and more"
    return Finding(size.spot, says, "Write how many there are, or take it out.")


def _unnamed(thing: Thing, part: Place) -> Iterator[Finding]:
    """Containers that KServe's own configuration does not reach: another one may give an image."""
    based = bool(list(thing.place.each("spec", "baseRefs")))
    for name in ("template", "worker"):
        for one in part.each(name, "containers"):
            called = one.text("name")
            if called == _MAIN or one.text("image") or based or not isinstance(one.value, dict):
                continue
            says = f"container {called or NO_NAME} has no image, and KServe gives one to main only"
            spot = one.at("name").spot if one.at("name") else one.spot
            yield Finding(spot, says, "Call it main.", unseen=filled_later(called))


def _nodes(predictor: Place) -> Iterator[Finding]:
    """What the webhook asks of an InferenceService over several nodes."""
    worker, model = predictor.at("workerSpec"), predictor.at("model")
    if not worker:
        return
    for extra in list(worker.each("containers"))[1:]:
        says = "a second container in workerSpec: KServe takes one"
        yield Finding(extra.spot, says, "Put it into the ServingRuntime's workerSpec.")
    for one in model.each("env"):
        if one.text("name") in _SIZES:
            says = f"{one.text('name')} as a variable: KServe refuses it beside workerSpec"
            field = "pipelineParallelSize" if one.text("name") == _SIZES[0] else _TENSOR
            yield Finding(one.at("name").spot, says, f"Write `{field}` of workerSpec.")
    sizes = (worker.at(n) for n in ("pipelineParallelSize", "tensorParallelSize"))
    yield from (_too_small(one) for one in sizes if _is_below_1(one))
    uri = model.at("storageUri")
    if model and not uri:
        says = "a model without storageUri: with workerSpec KServe refuses it"
        yield Finding(model.key, says, "Add `storageUri: pvc://CLAIM/PATH`.")
    elif "://" in uri.text() and not uri.text().startswith(("pvc://", "oci://")):
        says = f"storageUri {uri.text()}: with workerSpec KServe takes pvc:// and oci:// only"
        fix = "Put the model on a claim that all nodes mount, `storageUri: pvc://CLAIM/PATH`."
        yield Finding(uri.spot, says, fix, unseen=filled_later(uri.value))


_TENSOR = "tensorParallelSize"


def _without_workers(bundle: Bundle, thing: Thing, predictor: Place) -> Iterator[Finding]:
    name = predictor.at("model", "runtime")
    if not predictor.at("workerSpec") or not name.text():
        return
    spaces = ("", thing.namespace)
    named = [t for t in bundle.of_kind(*_RUNTIMES) if t.name == name.text()]
    near = [t for t in named if t.namespace in spaces or not thing.namespace]
    if near and not any(t.place.at("spec", "workerSpec") for t in near):
        says = f"workerSpec, and {near[0].what} has none: KServe makes no workers of it"
        fix = "Name a runtime with a workerSpec, such as kserve-huggingfaceserver-multinode."
        yield Finding(predictor.at("workerSpec").key, says, fix, also=(name.spot,))


def _lacking(spec: Place, name: str) -> Iterator[Finding]:
    held = spec.at("containers")
    called = [c.text("name") for c in held.each()]
    if called and name not in called:
        says = f"no container is called {name}, and KServe puts what services say into that one"
        spot = held.at(0).at("name")
        fix = f"Call the container that serves {name}."
        yield Finding(spot.spot if spot else held.spot, says, fix)
