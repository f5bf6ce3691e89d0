"""CONF005: attention heads that the tensor-parallel size does not divide."""

from collections.abc import Iterator
from math import gcd
from typing import TYPE_CHECKING

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.ray_serve import models
from distcheck.checks.manifest.rule import rule

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig


@rule("CONF005", level="error")
def heads_divide(bundle: Bundle) -> Iterator[Finding]:
    """The tensor-parallel size divides the model's attention heads.

    What:
        TP does not divide the number of attention heads, which a well-known model's name, or
        `--model`, tells.

    Why:
        Each rank holds whole heads. vLLM ends with "Total number of attention heads (64) must be
        divisible by tensor parallel size", SGLang with an assertion.

    Fix:
        Choose a divisor as TP, usually the GPUs of a pod, and more nodes by pipeline parallelism.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen2.5-7B-Instruct, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen2.5-7B-Instruct, --tensor-parallel-size, "4"]
            resources: {limits: {nvidia.com/gpu: 4}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/ours, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/config/model.py (verify_with_parallel_config); num_attention_heads of the models.
    """
    for group in bundle.groups:
        yield from _of_ray_serve(bundle.config, group)
        tp = group.intent.tp
        if not tp or not _shares_heads(group):
            continue
        heads = _heads(bundle.config, group)
        if heads and heads % tp:
            says = f"{heads} attention heads of {_name(bundle.config, group)} are not divisible by"
            yield Finding(group.spot_of(*FLAGS), f"{says} TP={tp}", _fix(group, heads, tp))


def _shares_heads(group: Group) -> bool:
    """Whether its command line starts an engine that gives each rank of TP whole heads."""
    asked = group.asked()
    if asked is None or asked[1].asks is None:
        return False
    attention = any("dp-attention" in w for w in asked[1].words)
    return asked[1].asks.engine in ("vllm", "sglang") and not attention


def _fix(group: Group, heads: int, tp: int) -> str:
    """The largest size that fits a pod and uses all of its GPUs; else one that TP holds."""
    pod = max((m.template.gpus for m in group.members), default=0)
    near = gcd(heads, pod or tp)
    if near in (1, tp):
        return ""
    stages, own = (group.gpus or 0) // near, group.intent.pp or 1
    if pod and stages == own:
        return f"Write {near}: with PP={own} that is all {group.gpus} GPUs."
    if pod and stages > 1:
        return f"Write {near}, and {stages} as the pipeline-parallel size: all {group.gpus} GPUs."
    return f"Write {near}, and use more GPUs by pipeline parallelism."


def _of_ray_serve(config: "ModelConfig | None", group: Group) -> Iterator[Finding]:
    """Each model of Ray Serve LLM, which starts its engines itself."""
    every = list(models(group.leader.template))
    for model in every:
        known = known_model(model.name)
        heads = known.heads if known else None
        heads = _heads(config, group) if config and len(every) == 1 else heads
        tp = model.kwargs.get("tensor_parallel_size")
        if heads and type(tp) is int and tp > 0 and heads % tp:
            name = "the model of --model" if config else model.name
            says = f"{heads} attention heads of {name} are not divisible by TP={tp}"
            fix = _fix(group, heads, tp) if len(every) == 1 else ""
            yield Finding(model.spot("tensor_parallel_size", tp), says, fix)


def _heads(config: "ModelConfig | None", group: Group) -> int | None:
    if config is None:
        found = known_model(group.intent.model or "")
        return found.heads if found else None
    text = config.config.get("text_config")
    held = (text if isinstance(text, dict) else config.config).get("num_attention_heads")
    return held if isinstance(held, int) else None


def _name(config: "ModelConfig | None", group: Group) -> str:
    return "the model of --model" if config else str(group.intent.model)
