"""CONF001: the parallel sizes against the GPUs of the group."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

FLAGS = (
    "--tensor-parallel-size", "--tensor_parallel_size", "-tp", "--tp-size", "--tp",
    "tensor_parallel_size", "NIM_TENSOR_PARALLEL_SIZE",
)  # fmt: skip


@rule("CONF001", level="error")
def world_has_gpus(group: Group) -> Iterator[Finding]:
    """TP x PP x DP is the number of GPUs of the group.

    What:
        The engine is asked for another number of ranks than its pods have GPUs.
    Why:
        Every rank needs a GPU of its own. With too few the engine waits for GPUs that never
        come, or ends with an error; with too many the rest stands idle and is paid for.
    Fix:
        Make tensor-parallel size x pipeline-parallel size (x data-parallel size) equal to
        pods x GPUs of a pod.
    Fails:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
                resources: {limits: {nvidia.com/gpu: 4}}
    Passes:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
                resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM docs/serving/parallelism_scaling.md; SHARD002 proves it on the live group.
    """
    intent, gpus = group.intent, group.gpus
    unknown = [k for k in ("tp", "pp", "dp", "arguments") if k in intent.unread]
    if intent.tp is None or not gpus or unknown or intent.dp_balancer in ("external", "hybrid"):
        return
    wanted = intent.tp * (intent.pp or 1) * (intent.dp or 1)
    if wanted == gpus:
        return
    sizes = {"TP": intent.tp, "PP": intent.pp, "DP": intent.dp}
    product = " x ".join(f"{k}={v}" for k, v in sizes.items() if v and (k == "TP" or v > 1))
    has = _has(group, gpus)
    if wanted > gpus:
        says = f"{product} needs {wanted} GPUs, and {has}"
        yield Finding(group.spot_of(*FLAGS), says, unseen=group.open)
    elif group.is_whole:
        says = f"{product} uses {wanted} GPUs, and {has}: {gpus - wanted} stand idle"
        yield Finding(group.spot_of(*FLAGS), says, level="warning")


def _has(group: Group, gpus: int) -> str:
    parts = [f"{m.pods} x {m.template.gpus}" for m in group.members if m.template.gpus]
    return f"{group.name} has {gpus}" + (f" ({' + '.join(parts)})" if group.pods != 1 else "")
