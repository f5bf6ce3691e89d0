"""CONF047: NCCL settings in an old spelling, or fixed to what differs from host to host."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Variable
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_OLD = ("LOC", "PIX", "PXB", "PHB", "SYS", "SYS")
_GONE = {
    "NCCL_IB_CUDA_SUPPORT": "NCCL_NET_GDR_LEVEL",
    "NCCL_MIN_NRINGS": "NCCL_MIN_NCHANNELS",
    "NCCL_MAX_NRINGS": "NCCL_MAX_NCHANNELS",
    "NCCL_LL_THRESHOLD": "NCCL_PROTO",
    "NCCL_TREE_THRESHOLD": "NCCL_ALGO",
    "NCCL_ASYNC_ERROR_HANDLING": "TORCH_NCCL_ASYNC_ERROR_HANDLING",
    "NCCL_BLOCKING_WAIT": "TORCH_NCCL_BLOCKING_WAIT",
}


@rule("CONF047", level="hint")
def nccl_setting_is_current(template: Template) -> Iterator[Finding]:
    """NCCL's settings are those of today, and true for every host.

    What:
        NCCL_NET_GDR_LEVEL or NCCL_P2P_LEVEL is a number, a variable has a name of long ago, or
        NCCL_IB_GID_INDEX is fixed.

    Why:
        `NCCL_NET_GDR_LEVEL=5` is SYS: it allows GPUDirect RDMA at any distance, and does not
        switch it on. The GID that RoCE v2 needs has another index on other hosts: since NCCL
        2.21 it is found without the variable, and a wrong one ends in timeouts.

    Fix:
        Write the distance as a word, take the new name, and leave NCCL_IB_GID_INDEX out.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_NET_GDR_LEVEL, value: "5"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_NET_GDR_LEVEL, value: PHB}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_NET_GDR_LEVEL, valueFrom: {configMapKeyRef: {name: c, key: l}}}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        NCCL src/graph/paths.cc (levelsOldToNew), src/transport/net_ib; PyTorch distributed.
    """
    for container in template.containers:
        for variable in container.named("NCCL_"):
            says, fix = ("", "") if variable.given else _old(variable)
            if says:
                yield Finding(variable.place.at("name").spot, says, fix)


def _old(variable: Variable) -> tuple[str, str]:
    """What is old about it, and what to write."""
    name, value = variable.name, (variable.value or "").strip()
    if name in _GONE:
        return f"{name} is a name of long ago: today it is {_GONE[name]}", f"Write {_GONE[name]}."
    if name in ("NCCL_NET_GDR_LEVEL", "NCCL_P2P_LEVEL") and value.isdigit():
        word = _OLD[min(int(value), 5)]
        return f"{name}={value} is the old spelling of {word}", f"Write the distance: {word}."
    if name == "NCCL_IB_GID_INDEX" and value.isdigit():
        says = f"{name}={value} is true for hosts with this GID table only"
        return says, "Leave it out: NCCL from 2.21 on finds the index of RoCE v2 by itself."
    return "", ""
