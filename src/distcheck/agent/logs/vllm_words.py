"""The words of vLLM's messages (0.6 to 0.33) that the reader looks for."""

import re
from typing import Literal

Kind = Literal[
    "weights",
    "rank",
    "world",
    "kv",
    "started",
    "config",
    "model",
    "experts",
    "failure",
    "hint",
    "stopped",
]

NEEDLES: tuple[tuple[str, Kind], ...] = (
    ("odel loading took", "weights"),
    ("model weights t", "weights"),
    ("Actual usage is", "weights"),
    ("Memory profiling results", "weights"),
    ("in world size", "rank"),
    ("distributed_init_method=", "world"),
    ("KV cache size", "kv"),
    ("KV cache memory", "kv"),
    ("for KV cache", "kv"),
    ("PU blocks: ", "kv"),
    ("startup complete", "started"),
    ("shutdown complete", "stopped"),
    ("init engine (", "started"),
    ("Starting vLLM", "started"),
    ("Graph capturing", "started"),
    ("LLM engine (v", "config"),
    ("non-default args", "config"),
    ("tensor_parallel_size=", "config"),
    ("vLLM API server version", "config"),
    ("Launching vLLM", "config"),
    ("\u2588  version ", "config"),
    ("Starting to load model", "model"),
    ("Expert parallelism", "experts"),
    ("use_ray_spmd_worker", "hint"),
    ("ray for distributed", "hint"),
    ("placement group", "failure"),
    ("Coordinator", "failure"),
    ("Error: ", "failure"),
    ("Exception: ", "failure"),
    ("Value error, ", "failure"),
    ("failed to start", "failure"),
    ("WorkerProc hit", "failure"),
    ("EngineCore encountered", "failure"),
    ("died, exit", "failure"),
    (" died ", "failure"),
    ("No available", "failure"),
    ("already in use", "failure"),
    ("remote_socket.bind", "failure"),
    ("Watchdog caught", "failure"),
    ("No existing RAY", "failure"),
    ("Got fatal signal", "failure"),
    ("Segfault encountered", "failure"),
    ("Fatal Python error", "failure"),
    ("AssertionError", "failure"),
    ("NotImplementedError", "failure"),
)
"""What is searched for, and which lines it leads to.

Kept short, for a log is searched for all of it: words that another needle always stands
beside are left out. `Error: ` and `Exception: ` stand for some twenty messages that the
engine raises, whose last line names the exception before the words; access logs and the
engine's own headers (`ERROR 08-10`) do not have them.
"""

WANTED: tuple[bytes, ...] = tuple(dict.fromkeys(needle.encode() for needle, _ in NEEDLES))

_GIB = r"(\d{1,6}(?:\.\d{1,9})?) ?"
WEIGHTS = re.compile(
    rf"(?:Model loading|Loading model weights) took {_GIB}Gi?B"
    rf"|model weights take {_GIB}GiB|Actual usage is {_GIB}GiB for weight"
)
MEMORY = {
    "non_torch_gib": re.compile(
        rf"non_torch_memory(?: takes |=){_GIB}GiB|{_GIB}GiB for non-torch memory"
    ),
    "activation_gib": re.compile(
        rf"activation peak memory takes {_GIB}GiB|{_GIB}GiB for peak activation"
    ),
    "graphs_gib": re.compile(
        rf"{_GIB}GiB for CUDAGraph memory|Graph capturing finished in .{{1,40}} took {_GIB}GiB"
    ),
    "kv_gib": re.compile(rf"reserved for KV Cache is {_GIB}GiB|kv_cache_size={_GIB}GiB"),
}
ASSIGNED = re.compile(r"\brank (\d{1,6}) in world size (\d{1,6}) is assigned as (.{1,200})")
INDEX = re.compile(r"\b([A-Z]+) rank (\d{1,6})")
WORLD = re.compile(
    r"world_size=(\d{1,6}) rank=(\d{1,6}) (?:local_rank=-?\d{1,6} )?"
    r"distributed_init_method=(\S{1,200})(?: backend=([a-z]{1,20}))?"
)
DEVICE = re.compile(r"\bdevice_config=([a-z]{1,20})\b")
BACKENDS = {"cpu": "gloo", "npu": "hccl"}
"""What carries the collectives on devices that are no GPU (vLLM's and vllm-ascend's platforms)."""
KV_TOKENS = re.compile(r"KV cache size: (\d[\d,]{0,20}) tokens")
KV_BLOCKS = re.compile(r"# \w{1,20} blocks: (\d{1,12})")
KV_GIB = re.compile(r"Available KV cache memory: (-?\d{1,6}(?:\.\d{1,9})?) GiB")
KV_SIZED = re.compile(r"Available KV cache memory: |GiB for KV cache on node")
MODEL = re.compile(r"Starting to load model ([^\s,;]{1,300}?)(?:\.{3}|\s|$)")
EXPERTS = re.compile(r"\[EP Rank \d{1,6}/(\d{1,6})\] Expert parallelism is enabled")
RAY_FILE = re.compile(r"worker-[0-9a-f]+-[0-9a-f]+-(\d{1,9})\.(?:out|err)")

_STARTED = (
    *("Application startup complete", "init engine (profile", "Graph capturing finished"),
    *("Starting vLLM API server", "Starting vLLM server on"),
)
_BEGINS = ("vLLM API server version", "Launching vLLM", "\u2588  version ")
ASCEND = "[model_runner_v1.py:"
"""Only vllm-ascend's workers have this file: their collectives go over HCCL."""
_V1_LABELS = ("EngineCore", "Worker_", "DPEngineCoreActor", "VLLM_DP_Coordinator")
_V1_WORDS = ("EngineCore", "DP_Coordinator", "DP Coordinator", "model_runner_v1")
_RAY = ("use_ray_spmd_worker", "ray for distributed", "No current placement group found")
_MP_LABELS = ("VllmWorker", "Worker_")
NAMED = ("Worker_", "VllmWorker_")
"""How the labels of workers begin that name the worker's place (vLLM 0.10 and newer)."""
EXECUTORS = ("ray", "mp", "external_launcher", "uni")
"""What stands first counts where lines differ: workers of Ray may run a node's in mp's way."""


def kinds(text: str) -> list[Kind]:
    """The kinds of line that the needles in `text` lead to; none for a line of no interest."""
    return [kind for needle, kind in NEEDLES if needle in text]


def is_started(text: str) -> bool:
    """Whether the engine says here that it has finished its start."""
    return any(words in text for words in _STARTED)


def is_new_start(text: str) -> bool:
    """Whether a server says here, first of all, which version it is."""
    return any(words in text for words in _BEGINS)


def is_stopped(text: str) -> bool:
    """Whether a server has shut down orderly (uvicorn's `LifespanOff.shutdown`)."""
    return "Application shutdown complete" in text


def is_v1(text: str, label: str) -> bool:
    """Whether only the V1 engine writes such a line."""
    named = label == "Worker" or label.startswith(_V1_LABELS)
    return named or any(words in text for words in _V1_WORDS)


def executor_of(text: str, label: str) -> str | None:
    """`ray` or `mp` where a process of that executor wrote the line."""
    if label.startswith("RayWorker") or any(words in text for words in _RAY):
        return "ray"
    named = label == "Worker" or label.startswith(_MP_LABELS)
    return "mp" if named or "multiproc_executor" in text else None


def stronger(one: str | None, other: str | None) -> str | None:
    """Of two executors that lines name, the one that counts."""
    return next((e for e in EXECUTORS if e in (one, other)), one or other)
