"""The agent's metric families, as its page and `docs/metrics.md` have them."""

from distcheck.agent.openmetrics import LEFT_OUT, Family

_POD = ("workload_namespace", "workload_pod")
_CONTAINER = (*_POD, "workload_container")
_GPU = ("uuid", "gpu")
_LINK = ("device", "port")

PROBE_SUCCESS = Family(
    "probe_success", "Whether the probe's last look saw", ("probe",), "the probe did not look yet"
)
PROBE_SECONDS = Family(
    "probe_duration_seconds",
    "How long the probe's last look took",
    ("probe",),
    "the probe did not look yet",
)
LAST_LOOK = Family(
    "last_look_timestamp_seconds",
    "When the agent last looked by itself",
    none="it did not look yet, or `DISTCHECK_LOOK_EVERY` is 0",
)

_SILENT = "NVML does not answer, or the GPU is lost: the others have theirs"
GPU_TOTAL = Family("gpu_memory_total_bytes", "Memory of the GPU", _GPU, _SILENT)
GPU_USED = Family("gpu_memory_used_bytes", "Memory of the GPU in use", _GPU, _SILENT)
GPU_PROCESS = Family(
    "gpu_process_memory_bytes",
    "Memory of the GPU that the processes of the container hold",
    (*_GPU, *_CONTAINER),
    "NVML does not tell what each of them holds, or whose a process is was not seen",
)
GPU_WEIGHTS = Family(
    "gpu_weights_bytes",
    "Weights of the model that the GPU holds, at least and at most; both are one where the "
    "engine's log tells them, else they are what NVML and the engine's cache leave room for",
    (*_GPU, *_CONTAINER, "bound"),
    "NVML does not tell what the pod holds there, or the engine sleeps, or may; `lower` where "
    "it may hold none",
)
MODEL_WEIGHTS = Family(
    "model_weights_bytes",
    "Size of the whole checkpoint that the container serves",
    _CONTAINER,
    "no command line of the pod names a model, as on workers under Ray; its files could not be "
    "read (DAC_READ_SEARCH); or they are no safetensors",
)
SHM_SIZE = Family(
    "shm_size_bytes",
    "Size of /dev/shm as mounted",
    _CONTAINER,
    "the agent saw no process of the pod on a GPU since it started, no engine and no Ray runs in "
    "it any more, or nothing is mounted there",
)
SHM_USED = Family(
    "shm_used_bytes", "Use of /dev/shm", _CONTAINER, "the agent may not read it (SYS_PTRACE)"
)
SHM_LEAKED = Family(
    "shm_leaked_bytes",
    "Bytes in /dev/shm of NCCL's and Python's segments that no process holds",
    _CONTAINER,
    "who holds the files could not be seen (SYS_PTRACE)",
)
LINK_UP = Family(
    "rdma_link_up", "Whether the RDMA port is active", _LINK, "its state could not be read"
)
LINK_RATE = Family(
    "rdma_link_rate_bits",
    "Rate of the RDMA port in bits a second",
    _LINK,
    "its rate could not be read",
)

NCCL_RANKS = Family(
    "nccl_ranks",
    "Ranks of the pod in its largest communicator that are initialising (`started`) or `complete`",
    (*_CONTAINER, "state"),
    "no line names a communicator (is `NCCL_DEBUG=INFO` set?)",
)
NCCL_WORLD = Family(
    "nccl_world_ranks",
    "Ranks that the largest communicator of the pod has on all nodes, as NCCL says it",
    _CONTAINER,
    "no line names a communicator",
)
NCCL_CHANNELS = Family(
    "nccl_channels",
    "Channels that the pod's ranks have, each end counted",
    (*_CONTAINER, "scope", "transport"),
    "no line shows such a channel",
)
NCCL_GDR = Family(
    "nccl_gdr_channels",
    "Channels between nodes over a network that use GPUDirect RDMA",
    _CONTAINER,
    "no channel between nodes over a network is seen; 0 says that none of those seen uses it",
)
NCCL_FAILURES = Family(
    "nccl_failures",
    "Lines in which NCCL, or its caller, says that this failed, in all logs of the pod that the "
    "agent has read",
    (*_CONTAINER, "failure"),
    "no line says so",
    "counter",
)

ANSWERED = Family(
    "answered_timestamp_seconds",
    "When the agent last answered `verify` or `serve` about the pod",
    _POD,
    "it was not asked in the last 15 minutes",
)
PORT_REACHABLE = Family(
    "port_reachable",
    "Whether the peer's port of this service can be reached from the pod (1), or is filtered, "
    "rejected or refused, or loses large packets (0)",
    (*_POD, "peer", "service"),
    "nobody tried it, or the try told nothing",
)
RAY_NODES = Family(
    "ray_nodes",
    "Rows of the node table of the Ray cluster that the pod belongs to, by state",
    (*_POD, "state"),
    "the pod names no GCS, or it did not answer",
)
RAY_GPUS = Family(
    "ray_gpus",
    "GPUs of the Ray nodes that are alive",
    _POD,
    "the pod names no GCS, or it did not answer",
)
RAY_GPUS_EXPECTED = Family(
    "ray_gpus_expected",
    "GPUs that the engine of this pod asks Ray for: TP x PP x DP of its command line or log",
    _POD,
    "no engine is in the pod, as on workers; or Ray did not answer",
)

XIDS = Family(
    "gpu_xid",
    "Xid events of the GPU while the agent waited for them",
    (*_GPU, "xid"),
    "the agent does not wait for them (`DISTCHECK_XID_WATCH`), or that Xid did not come",
    "counter",
)

OF_ITSELF = (PROBE_SUCCESS, PROBE_SECONDS, LAST_LOOK, LEFT_OUT)
OF_ITS_LOOK = (
    *(GPU_TOTAL, GPU_USED, GPU_PROCESS, GPU_WEIGHTS, MODEL_WEIGHTS),
    *(SHM_SIZE, SHM_USED, SHM_LEAKED, LINK_UP, LINK_RATE),
)
OF_LOGS = (NCCL_RANKS, NCCL_WORLD, NCCL_CHANNELS, NCCL_GDR, NCCL_FAILURES)
OF_ANSWERS = (ANSWERED, PORT_REACHABLE, RAY_NODES, RAY_GPUS, RAY_GPUS_EXPECTED)
OF_EVENTS = (XIDS,)
FAMILIES = (*OF_ITSELF, *OF_ITS_LOOK, *OF_LOGS, *OF_ANSWERS, *OF_EVENTS)
