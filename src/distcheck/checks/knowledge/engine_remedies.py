"""What each failure of vLLM means and what to do about it: the one table for all that name one.

Meanings: the places in vLLM 0.6 to 0.33 that raise or log these words, and what its reporters
found to be behind them. Ids are those of the reader's table of phrases.
"""

import re
from typing import NamedTuple

from distcheck.checks.knowledge.nccl_remedies import Cause

_ABOVE = "Look at the first exception that the same log shows, and at the logs of the other pods."
_SMALLER = (
    "Use more GPUs or quantised weights, lower --max-model-len, or raise --gpu-memory-utilization."
)

VANISHED = "engine_vanished"
GONE = Cause(
    "its processes are gone, and no line says why",
    "Look who killed them: `kubectl describe pod` for OOMKilled, the node's kernel log for"
    " oom-kill or an Xid. Then start the whole group again.",
)
"""An engine that left no word: nothing that a log's reader can find."""

ENGINE: dict[str, Cause] = {
    "heads_not_divisible": Cause(
        "the model's attention heads cannot be shared equally by this many GPUs",
        "Choose a --tensor-parallel-size that divides the number of attention heads, and reach"
        " the other GPUs by --pipeline-parallel-size.",
    ),
    "pp_unsupported": Cause(
        "this model has no pipeline parallelism in this vLLM",
        "Set --pipeline-parallel-size to 1, or use a vLLM that splits this model into stages.",
    ),
    "too_few_gpus": Cause(
        "more ranks are asked for than GPUs are seen",
        "Give the pods as many GPUs as TP x PP, or, if other nodes have them, start vLLM with"
        " --nnodes, or with --distributed-executor-backend ray and a Ray cluster that has them.",
    ),
    "waiting_for_gpus": Cause(
        "vLLM waits until Ray has the GPUs that it asked for",
        "Look at `ray status` for GPUs that are missing or taken, and for nodes that did not join.",
    ),
    "placement_group_timeout": Cause(
        "Ray did not have the GPUs that vLLM asked for in time",
        "Look at `ray status`: start the Ray nodes that are missing, and remove placement groups"
        " that an earlier start has left.",
    ),
    "driver_without_gpu": Cause(
        "the pod in which vLLM was started has no GPU of the Ray cluster",
        "Give the head pod GPUs, or start vLLM in a pod that has some.",
    ),
    "ray_not_found": Cause(
        "no Ray cluster was found, so vLLM starts one of this node alone",
        "For several nodes, run `ray start` in this pod before vLLM, or set RAY_ADDRESS.",
    ),
    "ray_unsupported": Cause(
        "this platform cannot be run by Ray",
        "Set --distributed-executor-backend mp, or use the vLLM build for your GPUs.",
    ),
    "nodes_do_not_divide": Cause(
        "the ranks cannot be shared equally by the nodes",
        "Choose TP x PP as a multiple of --nnodes.",
    ),
    "port_is_uri": Cause(
        "a variable that should hold a port number holds an address",
        "Rename the Service called `vllm`, or set enableServiceLinks: false in the pod:"
        " Kubernetes sets VLLM_PORT to that Service's address.",
    ),
    "gpu_memory_taken": Cause(
        "something else already uses memory of this GPU",
        "Look with `nvidia-smi` on the node for the other process, such as an earlier start, and"
        " end it, or lower --gpu-memory-utilization.",
    ),
    "no_memory_for_kv": Cause(
        "the weights leave no memory for the KV cache",
        _SMALLER,
    ),
    "kv_too_small": Cause(
        "the KV cache cannot hold one request of the longest allowed length",
        "Lower --max-model-len to what the line says fits, or raise --gpu-memory-utilization, or"
        " use more GPUs.",
    ),
    "out_of_memory": Cause(
        "the GPU's memory is full",
        "Lower --gpu-memory-utilization or --max-num-seqs if other parts need the memory; use more"
        " GPUs if the weights themselves do not fit.",
    ),
    "memory_changed": Cause(
        "another process took or freed memory of this GPU while vLLM measured it",
        "Let no other process share the GPU, and start the engines of one node one by one.",
    ),
    "nccl": Cause(
        "a call of NCCL failed",
        "Set NCCL_DEBUG=INFO in every pod and give all logs: NCCL then names the cause.",
    ),
    "collective_timeout": Cause(
        "a collective did not end in time: a rank stopped, or the network does not carry it",
        "Look for the rank that stopped or fell behind; its log says why.",
    ),
    "worker_hangs": Cause(
        "a worker has not answered for a minute: it compiles, waits for another rank, or hangs",
        "If it goes on, look which rank's log stops first, and what its last line is.",
    ),
    "worker_died": Cause("a worker process ended", _ABOVE),
    "worker_init": Cause("a worker could not be set up", _ABOVE),
    "worker_exception": Cause("a worker failed while it ran the model", _ABOVE),
    "process_crashed": Cause(
        "a process crashed in native code",
        "Look at the top of the stack below the line: use an image whose vLLM, PyTorch and driver"
        " fit each other, and report it with that stack if they do.",
    ),
    "engine_init": Cause("the engine could not be set up", _ABOVE),
    "engine_dead": Cause("the engine has ended", _ABOVE),
    "engine_cores_missing": Cause(
        "not every engine of the data-parallel group reported in time",
        "Look at the logs of the other nodes; see that all reach the address and RPC port of the"
        " first one, or raise VLLM_ENGINE_READY_TIMEOUT_S if they only load slowly.",
    ),
    "ray_channel_timeout": Cause(
        "a worker did not answer in time over Ray's channel",
        "Look for the worker that hangs, most often in NCCL between nodes; its file is in"
        " /tmp/ray/session_latest/logs of its pod.",
    ),
    "ray_actor_died": Cause(
        "a worker process of Ray ended",
        "Look at that worker's file in /tmp/ray/session_latest/logs of its pod, and for OOMKilled"
        " containers.",
    ),
    "port_in_use": Cause(
        "a port that vLLM wants to listen on is taken",
        "Look with `ss -ltnp` in the pod who holds it, such as an earlier start; or choose"
        " another one by --port, --master-port or VLLM_PORT.",
    ),
    "bind_failed": Cause(
        "binding failed",
        "Look at the lines after it in the full log: the address may belong to another node"
        " (VLLM_HOST_IP, --master-addr), or the port is taken.",
    ),
    "dp_coordinator_died": Cause(
        "the coordinator of the data-parallel engines ended",
        "Look at the lines after it in the full log; often its address or port cannot be bound.",
    ),
    "waiting_for_ranks": Cause(
        "a rank waits at the rendezvous, and no line of the others is seen",
        "Look whether the other pods have started, with the same address, --nnodes and sizes, and"
        " whether they reach that address and port.",
    ),
    "exception": Cause("Python raised an exception", "Look at the words of the line itself."),
}
"""Every failure by its id, as the reader names it."""

GENERIC = frozenset(
    {
        *("worker_died", "worker_init", "worker_exception", "engine_init", "engine_dead"),
        *("ray_actor_died", "bind_failed", "dp_coordinator_died"),
    }
)
"""Failures that say that something failed, and not what: an exception near them says it."""

NOT_AN_END = frozenset({"waiting_for_gpus", "ray_not_found", "worker_hangs", "waiting_for_ranks"})
"""Words of an engine that is still there."""

FOLLOWS = frozenset({"nccl", "collective_timeout", "ray_channel_timeout", "engine_cores_missing"})
"""Failures of one that waited for another: true, and seldom the first."""

MAY_FOLLOW = FOLLOWS | GENERIC | NOT_AN_END | {"exception"}
"""Failures that another pod's, or NCCL's, may be behind; every other is an engine's own."""

UNSEEN = "the error itself is not in this log"


class Worded(NamedTuple):
    """An exception told by its words; `example` is such a line of our own making."""

    pattern: re.Pattern[str]
    cause: Cause
    example: str


EXCEPTIONS: tuple[Worded, ...] = (
    Worded(
        re.compile(r"kernel image is invalid|no kernel image is available"),
        Cause(
            "the image holds no code that this GPU and driver can run",
            "Use an image built for this GPU's compute capability and a driver for its CUDA"
            " version; clear the Triton cache if it came from another machine.",
        ),
        "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    ),
    Worded(
        re.compile(r"No module named|cannot import name"),
        Cause(
            "a Python package is not in the image, or does not fit",
            "Install the package that the line names in the image of every pod, in the version"
            " that this vLLM asks for.",
        ),
        "ModuleNotFoundError: No module named 'left_pad'",
    ),
    Worded(
        re.compile(r"module '[\w.]{1,100}' has no attribute"),
        Cause(
            "two Python packages do not fit each other",
            "Install the version of the named package that this vLLM asks for.",
        ),
        "AttributeError: module 'left.pad' has no attribute 'wide'",
    ),
    Worded(
        re.compile(r"uncorrectable|ECC error|GPU is lost|illegal memory access|device-side assert"),
        Cause(
            "the GPU, or a kernel on it, failed",
            "Look at the node's kernel log for an Xid; with one, drain the node and reset or"
            " replace the GPU, without one try another attention backend or version.",
        ),
        "RuntimeError: CUDA error: an illegal memory access was encountered",
    ),
    Worded(
        re.compile(r"driver version is insufficient|driver on your system is too old"),
        Cause(
            "the node's driver is too old for the image",
            "Use a driver for the image's CUDA version, or an image of an older CUDA.",
        ),
        "RuntimeError: CUDA driver version is insufficient for CUDA runtime version",
    ),
    Worded(
        re.compile(r"No space left on device"),
        Cause(
            "a file system is full",
            "Look at the size of /dev/shm (SHM001 says how large it must be) and of the volume"
            " that caches models.",
        ),
        "OSError: [Errno 28] No space left on device",
    ),
    Worded(
        re.compile(r"gated repo|401 Client Error|403 Client Error|Repository Not Found"),
        Cause(
            "the model hub refuses the model, or does not know it",
            "Look at the model's name, and give the pod an HF_TOKEN that has access to it.",
        ),
        "OSError: You are trying to access a gated repo.",
    ),
    Worded(
        re.compile(r"\A(?:AssertionError|NotImplementedError)"),
        Cause(
            "this vLLM does not support what it was asked to do, or has a defect",
            "Look at the last frame above the line for the feature, leave it out or try a newer"
            " vLLM, and report it with that traceback if it stays.",
        ),
        "AssertionError",
    ),
)
"""What the words of an exception tell; the first that matches counts."""


def engine_cause(failure: str, says: str) -> Cause:
    """What a failure of the engine means: by its words where they tell more, else by its id."""
    if failure == "exception":
        known = (one.cause for one in EXCEPTIONS if one.pattern.search(says))
        return next(known, ENGINE[failure])
    return ENGINE.get(failure, ENGINE["exception"])
