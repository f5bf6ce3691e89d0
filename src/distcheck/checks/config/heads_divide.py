"""CONF005: attention heads that the tensor-parallel size does not divide."""

from collections.abc import Iterator

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.evidence import ModelConfig
from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


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
        vLLM ModelConfig.verify_with_parallel_config; num_attention_heads of the models.
    """
    for group in bundle.groups:
        tp = group.intent.tp
        asked = group.asked()
        if asked is None or not tp or asked[1].asks is None:
            continue
        engine = asked[1].asks.engine
        attention = any("dp-attention" in w for w in asked[1].words)
        heads = _heads(bundle.config, group)
        if engine in ("vllm", "sglang") and not attention and heads and heads % tp:
            says = f"{heads} attention heads of {_name(bundle.config, group)} are not divisible by"
            yield Finding(group.spot_of(*FLAGS), f"{says} TP={tp}")


def _heads(config: ModelConfig | None, group: Group) -> int | None:
    if config is None:
        found = known_model(group.intent.model or "")
        return found.heads if found else None
    text = config.config.get("text_config")
    held = (text if isinstance(text, dict) else config.config).get("num_attention_heads")
    return held if isinstance(held, int) else None


def _name(config: ModelConfig | None, group: Group) -> str:
    return "the model of --model" if config else str(group.intent.model)
