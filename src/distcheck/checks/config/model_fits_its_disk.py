"""CONF057: room on the disk that a model is downloaded to."""

from collections.abc import Iterator

from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.hub_cache import hub_cache, mount_around
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_OTHERWISE = ("--load-format", "runai", "tensorizer", "--config", "MODELSCOPE")
_SIZE = pattern(r"(\d{1,12}(?:\.\d{1,3})?)(Ki|Mi|Gi|Ti|[kMGT]?)")
_UNIT = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNIT |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_GIB = 2**30


@rule("CONF057", level="error")
def model_fits_its_disk(template: Template) -> Iterator[Finding]:
    """A model that is downloaded fits where it is put.

    What:
        vLLM or SGLang is given a public model by name, and the emptyDir that its cache is in has
        a smaller `sizeLimit` than the weights, or there is no volume and the container's limit of
        `ephemeral-storage` is smaller.
    Why:
        The kubelet evicts the pod when the limit is passed, in the middle of the download, and the
        next pod starts it anew.
    Fix:
        Raise the limit above the size of the weights, or mount a claim at the cache.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: cache, mountPath: /root/.cache/huggingface}]
          volumes: [{name: cache, emptyDir: {sizeLimit: 50Gi}}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: cache, mountPath: /root/.cache/huggingface}]
          volumes: [{name: cache, emptyDir: {sizeLimit: 300Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, ours/secret-model, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: cache, mountPath: /root/.cache/huggingface}]
          volumes: [{name: cache, emptyDir: {sizeLimit: 50Gi}}]
    Source:
        Kubernetes: Volumes, emptyDir (sizeLimit); Local ephemeral storage; sizes of the public
        checkpoints; huggingface_hub constants.py (HF_HOME).
    """
    engine = template.engine
    need = _weights(engine) if engine else 0
    if engine is None or not need:
        return
    cache = hub_cache(engine)
    if cache is None:
        return
    mount = mount_around(engine, cache)
    volume = template.volumes.get(mount.text("name")) if mount else None
    if volume is not None and mount is not None:
        limit, what = volume.at("emptyDir", "sizeLimit"), f"volume {mount.text('name')} at {cache}"
    elif any(cache.startswith(m.text("mountPath")) for m in engine.place.each("volumeMounts")):
        return
    elif not engine.engine_image or _other_volumes(engine):
        return  # the image may hold the model, or its variables name a volume as the cache
    else:
        limit = engine.place.at("resources", "limits", "ephemeral-storage")
        what = "what the container may write"
    room = _bytes(limit)
    if room is not None and room < need:
        model = engine.asks.model if engine.asks else ""
        says = f"{what} is limited to {room / _GIB:.0f} GiB, and {model} has"
        says = f"{says} {need / _GIB:.0f} GiB of weights or more"
        fix = f"Write {-(-need * 12 // 10 // _GIB)}Gi or more, or mount a claim at {cache}."
        yield Finding(limit.spot, says, fix)


def _other_volumes(engine: Container) -> bool:
    mounted = {m.text("mountPath") for m in engine.place.each("volumeMounts")}
    return bool(mounted - {"/dev/shm", "/tmp"})


def _weights(engine: Container) -> int:
    """Bytes that are surely downloaded; 0 where that is not known."""
    asks = engine.asks
    model = asks.model if asks and asks.engine in ("vllm", "sglang") else None
    told = " ".join([*(t.text for t in engine.texts), *(v.name for v in engine.env)])
    if not model or model[0] in "/.$" or model.count("/") != 1 or ":" in model:
        return 0
    if any(w in told for w in _OTHERWISE) or engine.may_have_more or engine.nim:
        return 0
    found = known_model(model)
    return (found.least_bytes or 0) if found else 0


def _bytes(limit: Place) -> int | None:
    """The quantity; None where it is none, or filled in later."""
    found = _SIZE.fullmatch(str(limit.value)) if limit else None
    return int(float(found[1]) * _UNIT[found[2]]) if found else None
