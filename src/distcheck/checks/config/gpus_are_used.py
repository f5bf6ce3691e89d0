"""CONF007: several GPUs, and an engine that is not told to use more than one."""

from collections.abc import Iterator

from distcheck.checks.config.world_has_gpus import SHARED
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern


@rule("CONF007", level="warning")
def gpus_are_used(template: Template) -> Iterator[Finding]:
    """An engine with several GPUs is told to use them.

    What:
        A container with several GPUs runs vLLM or SGLang without any parallel size.

    Why:
        Both use one GPU unless they are told otherwise: the others stand idle and are paid for,
        and a model that needs them does not fit.

    Fix:
        Add `--tensor-parallel-size` with the GPUs of the container (SGLang `--tp`).

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct]
            resources: {limits: {nvidia.com/gpu: 4}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "4"]
            resources: {limits: {nvidia.com/gpu: 4}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--config, /etc/vllm.yaml]
            resources: {limits: {nvidia.com/gpu: 4}}

    Source:
        vLLM vllm/engine/arg_utils.py, SGLang server_args.py: the parallel sizes are 1 by default.
    """
    for container in template.containers:
        asks = container.asks
        if container.gpus < _SEVERAL or asks is None or asks.engine not in ("vllm", "sglang"):
            continue
        told = any(v for v in (asks.tp, asks.pp, asks.dp, asks.dp_local, asks.nnodes, asks.ranks))
        if told or asks.unread or not asks.model or container.nim or _elsewhere(container):
            continue
        says = f"container {container.name} has {container.gpus} GPUs, and {asks.engine} uses one"
        unseen = "" if container.gpus in _OF_MACHINES else SHARED
        spot = container.spot_of("--model", "--model-path", asks.model)
        if template.kind == "LLMInferenceService":
            spot = container.place.at("resources", "limits").key  # it has no word for the size
        yield Finding(spot, says, _fix(template, container, asks.engine), unseen=unseen)


def _fix(template: Template, container: Container, engine: str) -> str:
    flag = "--tp" if engine == "sglang" else "--tensor-parallel-size"
    if any(_CUT_OFF.search(t.text) for t in container.texts):
        return "Join the line of the parallel size to the command, which is cut off before it."
    if template.kind == "LLMInferenceService" and template.rest:
        several = template.owner_place.at("spec", "worker")
        pods = ", pipeline: PODS" if several else ""
        size = f"Write `parallelism: {{tensor: {container.gpus}{pods}}}`"
        return f"{size}; before KServe 0.20 `args: [{flag}={container.gpus}]`."
    return f"Add `{flag} {container.gpus}`."


_SEVERAL = 2
_OF_MACHINES = (2, 4, 8, 16)


def _elsewhere(container: Container) -> bool:
    """Whether the sizes may be told by other means: a file, a variable, several servers."""
    servers = sum(1 for c in container.commands if {"serve", "--model"} & set(c.words))
    own = (c.words for n, c in enumerate(container.commands) if not n or not _is_cut_off(c.words))
    words = " ".join(w for command in own for w in command)
    hidden = any(w in words for w in ("--config", "parallel", "CUDA_VISIBLE_DEVICES", "--omni"))
    return hidden or servers > 1 or any("$" in w for w in container.words) or (
        container.value("CUDA_VISIBLE_DEVICES") is not None
    )  # fmt: skip


_CUT_OFF = pattern(r"(?m)^[ \t]*--(?:tp\b|[^#\n]*(?:-parallel-| --tp\b))", near=("--",))


def _is_cut_off(words: tuple[str, ...]) -> bool:
    """Flags that a script runs as a command: CONF074."""
    return bool(words) and words[0].startswith("--")
