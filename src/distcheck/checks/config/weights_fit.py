"""CONF006: weights that do not fit into the GPUs that are asked for."""

from collections.abc import Iterator

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.evidence import ModelConfig
from distcheck.checks.knowledge.gpu_memory import GIB, LABELS, LARGEST, gpu_memory
from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_LOADED, _USED = 0.95, 0.95
_OTHERWISE = ("--quantization", "-q", "--cpu-offload-gb", "--load-format", "--config")


@rule("CONF006", level="error")
def weights_fit(bundle: Bundle) -> Iterator[Finding]:
    """The model's weights fit into the memory of the GPUs that hold one copy.

    What:
        The weights of a well-known model, or of `--model`, are larger than TP x PP GPUs of the
        kind that the node selector names. What a quantising engine makes of them is not judged.

    Why:
        The engine ends with "CUDA out of memory" while it loads, or with "No available memory
        for the cache blocks".

    Fix:
        Spread one copy over more GPUs, take larger ones, or a quantised checkpoint;
        `distcheck plan` shows what fits.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4}
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "4"]
            resources: {limits: {nvidia.com/gpu: 4}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          nodeSelector: {cloud.google.com/gke-accelerator: nvidia-l4}
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "2"]
            resources: {limits: {nvidia.com/gpu: 2}}

    Source:
        Sizes of the public checkpoints; GPU Feature Discovery and cloud instance types.
    """
    for group in bundle.groups:
        asked, sizes = group.asked(), group.intent
        if asked is None or asked[1].asks is None or asked[1].asks.engine not in _ENGINES:
            continue
        if any(w.partition("=")[0].replace("_", "-") in _OTHERWISE for w in asked[1].words):
            continue
        least = _weights(bundle.config, group)
        count = _holding(group)
        if not least or not count or sizes.unread:
            continue
        each = min(filter(None, (_memory(m.template) for m in group.members)), default=None)
        usable = min(asked[1].asks.gpu_memory_utilization or _USED, 1.0)
        if least * _LOADED > count * (each or LARGEST) * GIB * usable:
            kind = f"{each} GiB" if each else f"{LARGEST} GiB, the largest there are"
            says = f"{sizes.model or 'the model'} has at least {least / GIB:.0f} GiB of weights,"
            says += f" and one copy is on {count} GPU{'s' * (count != 1)} of {kind}"
            yield Finding(group.spot_of(*FLAGS), says)


_ENGINES = ("vllm", "sglang")


def _weights(config: ModelConfig | None, group: Group) -> int | None:
    if config is not None:
        return config.checkpoint_bytes
    found = known_model(group.intent.model or "")
    return found.least_bytes if found else None


def _holding(group: Group) -> int | None:
    """GPUs that hold one copy: with expert parallelism data-parallel ranks share one."""
    sizes = group.intent
    tp = sizes.tp or (1 if group.gpus == 1 else None)
    shared = (sizes.dp or 1) if sizes.ep else 1
    return tp * (sizes.pp or 1) * shared if tp else None


def _memory(template: Template) -> int | None:
    """GiB of the largest GPU that its nodes may have."""
    for label in LABELS:
        values = [str(p.value) for p in _values(template, label)]
        known = [gpu_memory(label, v) for v in values]
        if values and all(known):
            return max(k for k in known if k)
    return None


def _values(template: Template, label: str) -> Iterator[Place]:
    if chosen := template.spec.at("nodeSelector", label):
        yield chosen
        return
    affinity = template.spec.at("affinity", "nodeAffinity")
    terms = affinity.at("requiredDuringSchedulingIgnoredDuringExecution")
    held = list(terms.each("nodeSelectorTerms"))
    for one in held[0].each("matchExpressions") if len(held) == 1 else ():
        if one.text("key") == label and one.text("operator") == "In":
            yield from one.each("values")
