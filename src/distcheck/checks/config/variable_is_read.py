"""CONF044: variables that nothing reads."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_IGNORED = {
    "NIM_TP_SIZE": "NIM_TENSOR_PARALLEL_SIZE",
    "NIM_PP_SIZE": "NIM_PIPELINE_PARALLEL_SIZE",
    "NIM_TENSOR_PARALLELISM": "NIM_TENSOR_PARALLEL_SIZE",
    "NCCL_IFNAME": "NCCL_SOCKET_IFNAME",
    "NCCL_SOCKET_INTERFACE": "NCCL_SOCKET_IFNAME",
    "NCCL_IB_HCAS": "NCCL_IB_HCA",
    "NCCL_NET_GDR_ENABLE": "NCCL_NET_GDR_LEVEL",
    "NCCL_ENABLE_RDMA": "NCCL_NET=IB",
    "NCCL_IB_ENABLE": "NCCL_IB_DISABLE=0",
}
"""Names that are in no release of NCCL or NIM, and what was meant."""
_PARALLEL = ("VLLM_TENSOR_PARALLEL_SIZE", "VLLM_PIPELINE_PARALLEL_SIZE", "VLLM_TP_SIZE")


@rule("CONF044", level="warning")
def variable_is_read(template: Template) -> Iterator[Finding]:
    """Every NCCL_, NIM_ and VLLM_ variable is one that the engine reads.

    What:
        A variable is set whose name no release of NCCL, NIM or vLLM reads, such as NIM_TP_SIZE.
    Why:
        It changes nothing: the engine runs with its default, where the manifest says otherwise.
    Fix:
        Use the name that is read; of vLLM's parallel sizes the flags.
    Fails:
        name: nim
        image: nvcr.io/nim/meta/llama-3.1-405b-instruct:1.8.0
        env:
        - {name: NIM_TP_SIZE, value: "8"}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: nim}
        spec:
          containers:
          - name: nim
            image: nvcr.io/nim/meta/llama-3.1-405b-instruct:1.8.0
            env:
            - {name: NIM_TENSOR_PARALLEL_SIZE, value: "8"}
    Source:
        NCCL docs, environment variables; NIM reference/advanced-configuration; vllm/envs.py.
    """
    for container in template.containers:
        for variable in container.env:
            if variable.given or variable.name in _used(container, variable.name):
                continue
            if variable.name in _IGNORED:
                fix = f"Use {_IGNORED[variable.name]}."
                says = f"nothing reads {variable.name}"
                yield Finding(variable.place.at("name").spot, says, fix)
            elif variable.name in _PARALLEL:
                says = f"vLLM does not read {variable.name}: its size is a flag"
                unseen = "whether a script of the image reads it"
                yield Finding(variable.place.at("name").spot, says, unseen=unseen)


def _used(container: Container, name: str) -> tuple[str, ...]:
    """The name itself where a command of the container uses the variable."""
    return (name,) if any(name in text.text for text in container.texts) else ()
