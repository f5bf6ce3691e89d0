"""CONF046: NCCL settings with a value that NCCL does not read."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Variable
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NAMES = (
    "IB_DISABLE SHM_DISABLE P2P_DISABLE IB_GID_INDEX IB_TC IB_SL IB_TIMEOUT IB_RETRY_CNT"
    " IB_QPS_PER_CONNECTION IB_SPLIT_DATA_ON_QPS IB_PCI_RELAXED_ORDERING IB_ADAPTIVE_ROUTING"
    " IB_AR_THRESHOLD IB_MERGE_NICS NVLS_ENABLE CUMEM_ENABLE CUMEM_HOST_ENABLE DMABUF_ENABLE"
    " NET_GDR_READ NET_SHARED_BUFFERS CROSS_NIC MIN_NCHANNELS MAX_NCHANNELS NTHREADS BUFFSIZE"
    " SOCKET_NTHREADS NSOCKS_PERTHREAD MNNVL_ENABLE IGNORE_CPU_AFFINITY CHECKS_DISABLE"
    " COLLNET_ENABLE GRAPH_MIXING_SUPPORT"
)
_NUMBERS = frozenset(f"NCCL_{name}" for name in _NAMES.split())
_LEVELS = frozenset({"VERSION", "WARN", "INFO", "ABORT", "TRACE"})
_DISTANCES = frozenset({"LOC", "NVL", "PIX", "PXB", "PHB", "SYS", "C2C", "PXN"})
_NUMBER = re.compile(r"\s*[+-]?(?:0[xX][0-9a-fA-F]+|\d+)\s*\Z")


@rule("CONF046", level="warning")
def nccl_value_is_read(template: Template) -> Iterator[Finding]:
    """NCCL's settings have values that NCCL reads.

    What:
        A setting that is a number holds a word (`NCCL_IB_DISABLE=true`), NCCL_DEBUG holds a
        level that is none, or a distance (NCCL_P2P_LEVEL) a word that NCCL has not.

    Why:
        NCCL logs "Invalid value" and uses its default: the setting changes nothing.

    Fix:
        Write 1 or 0 for on and off; NCCL_DEBUG is VERSION, WARN, INFO or TRACE.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "true"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "1"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        NCCL src/misc/param.cc (strtoll), src/debug.cc, src/graph/paths.cc.
    """
    for container in template.containers:
        for variable in container.named("NCCL_"):
            value = variable.value
            if variable.given or variable.source or value is None or "$" in value:
                continue
            if wrong := _wrong(variable, value.strip()):
                says = f"{variable.name}={value}: NCCL reads {wrong} here, and ignores this"
                yield Finding(variable.place.at("value").spot, says)


def _wrong(variable: Variable, value: str) -> str:
    name = variable.name
    if name in _NUMBERS and not _NUMBER.match(value) and value:
        return "a number"
    if name == "NCCL_DEBUG" and value and value.upper() not in _LEVELS:
        return "VERSION, WARN, INFO or TRACE"
    if name in ("NCCL_P2P_LEVEL", "NCCL_NET_GDR_LEVEL"):
        known = not value or value.upper() in _DISTANCES or _NUMBER.match(value)
        return "" if known else "LOC, PIX, PXB, PHB or SYS"
    return ""
