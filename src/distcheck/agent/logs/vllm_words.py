"""The words of vLLM's messages (0.6 to 0.33) that the reader looks for."""

import re

from distcheck.agent.logs import vllm_config, vllm_failures

_GIB = r"(\d{1,6}(?:\.\d{1,9})?) ?"
WEIGHTS = re.compile(
    rf"(?:Model loading|Loading model weights) took {_GIB}Gi?B"
    rf"|model weights take {_GIB}GiB|Actual usage is {_GIB}GiB for weight"
)
ASSIGNED = re.compile(r"\brank (\d{1,6}) in world size (\d{1,6}) is assigned as (.{1,200})")
INDEX = re.compile(r"\b([A-Z]+) rank (\d{1,6})")
WORLD = re.compile(
    r"world_size=(\d{1,6}) rank=(\d{1,6}) local_rank=-?\d+ distributed_init_method=(\S{1,200})"
)
KV_TOKENS = re.compile(r"KV cache size: (\d[\d,]{0,20}) tokens")
KV_BLOCKS = re.compile(r"# \w+ blocks: (\d{1,12})")
KV_GIB = re.compile(r"Available KV cache memory: (-?\d{1,6}(?:\.\d{1,9})?) GiB")
_STARTED = (
    *("Application startup complete", "init engine (profile", "Starting vLLM API server"),
    "Graph capturing finished",
)
RAY_FILE = re.compile(r"worker-[0-9a-f]+-[0-9a-f]+-(\d{1,9})\.(?:out|err)")
_V1 = (
    "EngineCore",
    "(Worker_",
    "(Worker pid",
    "DP_Coordinator",
    "DP Coordinator",
    "model_runner_v1",
)
_RAY = ("RayWorker", "ray_distributed_executor", "ray_gpu_executor", "to use ray for distributed")
_MP = ("multiproc_executor", "(VllmWorker", "(Worker_", "(Worker pid")

WANTED: tuple[bytes, ...] = (
    *(b"oading took", b"weights took", b"model weights take", b"Actual usage is"),
    *(b"in world size", b"distributed_init_method=", b"KV cache size", b"KV cache memory"),
    *(b"GPU blocks: ", b"CPU blocks: ", b"startup complete", b"init engine (profile"),
    *(b"Starting vLLM API server", b"Graph capturing finished", b"DP Coordinator process"),
    *(b"ray_distributed_executor", b"ray_gpu_executor", b"to use ray for distributed"),
    *vllm_config.WANTED,
    *vllm_failures.WANTED,
)


def is_started(text: str) -> bool:
    """Whether the engine says here that it has finished its start."""
    return any(words in text for words in _STARTED)


def is_v1(text: str) -> bool:
    """Whether only the V1 engine writes such a line."""
    return any(words in text for words in _V1)


def executor_of(text: str) -> str | None:
    """`ray` or `mp` where a process of that executor wrote the line."""
    if any(words in text for words in _RAY):
        return "ray"
    return "mp" if any(words in text for words in _MP) else None


_ANY = re.compile("|".join(re.escape(word.decode()) for word in sorted(set(WANTED))))


def is_wanted(text: str) -> bool:
    """Whether any of `WANTED` is in `text`."""
    return _ANY.search(text) is not None
