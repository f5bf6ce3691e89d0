"""CONF044: variables that nothing reads."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.checks.manifest.whole_name import has_variable
from distcheck.pattern import pattern

_IGNORED = {
    "NIM_TP_SIZE": "NIM_TENSOR_PARALLEL_SIZE",
    "NIM_PP_SIZE": "NIM_PIPELINE_PARALLEL_SIZE",
    "NIM_TENSOR_PARALLELISM": "NIM_TENSOR_PARALLEL_SIZE",
    "NIM_PIPELINE_PARALLELISM": "NIM_PIPELINE_PARALLEL_SIZE",
    "NIM_TP": "NIM_TENSOR_PARALLEL_SIZE",
    "NIM_PP": "NIM_PIPELINE_PARALLEL_SIZE",
    "NCCL_IFNAME": "NCCL_SOCKET_IFNAME",
    "NCCL_SOCKET_INTERFACE": "NCCL_SOCKET_IFNAME",
    "NCCL_IB_HCAS": "NCCL_IB_HCA",
    "NCCL_NET_GDR_ENABLE": "NCCL_NET_GDR_LEVEL",
    "NCCL_ENABLE_RDMA": "NCCL_NET=IB",
    "NCCL_IB_ENABLE": "NCCL_IB_DISABLE=0",
}
"""Names that are in no release of NCCL or NIM, and what was meant."""
_FLAGS = {
    "VLLM_TENSOR_PARALLEL_SIZE": "--tensor-parallel-size",
    "VLLM_TENSOR_PARALLELISM": "--tensor-parallel-size",
    "VLLM_TP_SIZE": "--tensor-parallel-size",
    "VLLM_TP": "--tensor-parallel-size",
    "VLLM_PIPELINE_PARALLEL_SIZE": "--pipeline-parallel-size",
    "VLLM_PP_SIZE": "--pipeline-parallel-size",
    "VLLM_DATA_PARALLEL_SIZE": "--data-parallel-size",
    "VLLM_MAX_MODEL_LEN": "--max-model-len",
    "VLLM_MAX_NUM_SEQS": "--max-num-seqs",
    "VLLM_GPU_MEMORY_UTILIZATION": "--gpu-memory-utilization",
    "VLLM_GPU_MEM_UTIL": "--gpu-memory-utilization",
    "VLLM_MODEL": "--model",
    "VLLM_DTYPE": "--dtype",
    "VLLM_QUANTIZATION": "--quantization",
    "VLLM_DISTRIBUTED_EXECUTOR_BACKEND": "--distributed-executor-backend",
    "VLLM_SERVED_MODEL_NAME": "--served-model-name",
    "VLLM_ENABLE_EXPERT_PARALLEL": "--enable-expert-parallel",
}
"""Names that are in no release of vLLM, where each is a flag."""


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
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/serve:1
            command: [/start.sh]
            env: [{name: VLLM_TENSOR_PARALLEL_SIZE, value: "8"}]
            resources: {limits: {nvidia.com/gpu: 8}}
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
            elif variable.name in _FLAGS:
                flag = _FLAGS[variable.name]
                says = f"vLLM does not read {variable.name}: that is its flag {flag}"
                unseen = "" if _is_plain(container) else "whether a script of the image reads it"
                fix = f"Give {flag} to the server."
                yield Finding(variable.place.at("name").spot, says, fix, unseen=unseen)


def _is_plain(container: Container) -> bool:
    """Whether vLLM's own image starts its own server, and no file that is not seen here."""
    asks = container.asks
    told = [*(t.text for t in container.texts), *container.argv]
    started = asks is not None and asks.engine == "vllm" and container.is_read
    whole = "arguments" not in (asks.unread if asks else ()) and not container.may_have_more
    own = container.image.partition(":")[0].partition("@")[0].endswith("vllm/vllm-openai")
    return started and whole and own and not any(_FILE.search(text) for text in told)


_FILE = pattern(r"\.(?:sh|py|bash)\b|envsubst|printenv|\benv\b|eval|\bsource\b")


def _used(container: Container, name: str) -> tuple[str, ...]:
    """The name itself where a command of the container uses the variable."""
    return (name,) if any(has_variable(t.text, name) for t in container.texts) else ()
