"""CONF006: weights that do not fit into the GPUs that are asked for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.knowledge.fullest_rank import fullest_rank
from distcheck.checks.knowledge.gpu_memory import GIB, LABELS, LARGEST, gpu_memory, slice_memory
from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import flag_of, given
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.server_words import server_words
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig

_LOADED, _USED = 0.95, 0.92
_OTHERWISE = ("--cpu-offload-gb", "--config")
_FORMAT = "--load-format"
_AS_TRAINED = frozenset(
    {"auto", "pt", "safetensors", "npcache", "hf", "mistral", "runai_streamer", "fastsafetensors",
     "instanttensor", "modelexpress", "mx", "remote_instance"}
)  # fmt: skip
"""Formats that change how weights are read and not what of them is held: vllm/config/load.py."""


@rule("CONF006", level="error")
def weights_fit(bundle: Bundle) -> Iterator[Finding]:
    """The model's weights fit into the memory of the GPUs that hold one copy.

    What:
        The fullest rank's weights, of a well-known model's name or exactly by `--model`, are
        larger than its share of a GPU as the node selector or the MIG resource names it, or than
        the largest GPU that there is.

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
        docs/weights.md; config.json and index files of the public checkpoints; vLLM
        vllm/config/load.py (LoadConfig); ModelExpress docs/ARCHITECTURE.md; k8s-device-plugin
        docs/gpu-feature-discovery; instance types of the clouds.
    """
    for group in bundle.groups:
        need, usable = _needs(bundle.config, group), _usable(group)
        if need is None or usable is None:
            continue
        each = min(filter(None, (_memory(m.template) for m in group.members)), default=None)
        told = f"{_model(bundle, group)} takes {need / GIB:.1f} GiB or more of each GPU for weights"
        if need > (each or LARGEST) * GIB * usable:
            has = f"of {each} GiB" if each else f"of the {LARGEST} GiB of the largest there are"
            says = f"{told}, and the engine uses {usable:.0%} {has}"
            yield Finding(group.spot_of(*FLAGS), says)
        elif each is None and need > _COMMON * GIB * usable and not _of_others(group):
            says = f"{told}: too much for GPUs of {_COMMON} GB"
            yield Finding(group.spot_of(*FLAGS), says, unseen="which GPUs the nodes have")


_ENGINES, _COMMON = ("vllm", "sglang"), 80


def _model(bundle: Bundle, group: Group) -> str:
    return "the model of --model" if bundle.config else group.intent.model or "the model"


def _of_others(group: Group) -> bool:
    """Whether its accelerators are no GPUs of NVIDIA: 80 GB is nothing usual among those."""
    limits = {n for m in group.members for c in m.template.containers for n in c.limits}
    return any("/" in n for n in limits) and not any(n.startswith("nvidia.com/") for n in limits)


def _usable(group: Group) -> float | None:
    """The share of a GPU that the engine takes; None where that is not judged."""
    asked = group.asked()
    if asked is None or asked[1].asks is None or asked[1].asks.engine not in _ENGINES:
        return None
    container, engine = asked[1], asked[1].asks.engine
    if any(flag_of(w) in _OTHERWISE for w in container.words) or _is_converted(container, engine):
        return None
    return min(asked[1].asks.gpu_memory_utilization or _USED, 1.0)


def _is_converted(container: Container, engine: str) -> bool:
    """Whether it may hold other weights than the model's: smaller ones, or a share of them."""
    if not any(flag_of(w) == _FORMAT for w in container.words):
        return False
    each = given(list(server_words(container, engine)))
    formats = {(g.value or "").strip() for g in each if g.flag == _FORMAT}
    return not formats or not formats <= _AS_TRAINED


def _needs(config: "ModelConfig | None", group: Group) -> float | None:
    """Bytes of weights on the fullest rank, at least."""
    sizes, count = group.intent, _holding(group)
    asked = group.asked()
    asks = asked[1].asks if asked else None
    if not count or asks is None or sizes.unread:
        return None
    if config is not None and asks.engine == "vllm":
        cut = (sizes.tp or 1, sizes.pp or 1, sizes.dp or 1)
        version = _VERSION.search(asked[1].image) if asked else None
        found = fullest_rank(
            config, cut, ep=bool(sizes.ep), quantisation=asks.quantization,
            version=version[1] if version else None,
        )  # fmt: skip
        if found is not None:
            return found
    least = None if asks.quantization else _weights(config, group)
    return least * _LOADED / count if least else None


_VERSION = pattern(r"vllm-openai:v?(\d+\.\d+\.\d+)\b")


_EXPERTS = pattern(
    r"(?i)deepseek-(?:r1|v[23])|mixtral|moe|-a\d+(?:\.\d+)?b|maverick|scout|gpt-oss|kimi|glm-4"
    r"|minimax"
)


def _weights(config: "ModelConfig | None", group: Group) -> int | None:
    if config is not None:
        return config.checkpoint_bytes
    found = known_model(group.intent.model or "")
    return found.least_bytes if found else None


def _holding(group: Group) -> int | None:
    """GPUs that hold one copy: vLLM's data-parallel ranks share experts, with and without EP.

    FusedMoE takes TP x DP ranks for its own tensor parallelism where experts are not spread.
    """
    sizes = group.intent
    tp = sizes.tp or (1 if group.gpus == 1 else None)
    mixed = sizes.engine == "vllm" and _EXPERTS.search(sizes.model or "")
    shared = (sizes.dp or 1) if sizes.ep or mixed else 1
    return tp * (sizes.pp or 1) * shared if tp else None


def _memory(template: Template) -> int | None:
    """GiB of the largest GPU, or slice of one, that its pods may get."""
    slices = [slice_memory(n) for c in template.containers for n in c.limits]
    if any(slices):
        return max(s for s in slices if s)
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
    held = list(template.node_terms)
    for one in held[0].each("matchExpressions") if len(held) == 1 else ():
        if one.text("key") == label and one.text("operator") == "In":
            yield from one.each("values")
