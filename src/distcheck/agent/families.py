"""The agent's metric families, as its page and `docs/metrics.md` have them."""

from distcheck.agent.openmetrics import Family

POD = ("workload_namespace", "workload_pod")
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
GPU_TOTAL = Family("gpu_memory_total_bytes", "Memory of the GPU", _GPU, "NVML does not answer")
GPU_USED = Family("gpu_memory_used_bytes", "Memory of the GPU in use", _GPU, "NVML does not answer")
SHM_SIZE = Family(
    "shm_size_bytes", "Size of /dev/shm as mounted", POD, "no process of the pod is on a GPU"
)
SHM_USED = Family(
    "shm_used_bytes", "Use of /dev/shm", POD, "the agent may not read it (SYS_PTRACE)"
)
SHM_LEAKED = Family(
    "shm_leaked_bytes",
    "Bytes in /dev/shm of NCCL's and Python's segments that no process holds",
    POD,
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
XIDS = Family(
    "gpu_xid",
    "Xid events of the GPU while the agent waited for them",
    (*_GPU, "xid"),
    "the agent does not wait for them (`DISTCHECK_XID_WATCH`), or that Xid did not come",
    "counter",
)

FAMILIES = (
    *(PROBE_SUCCESS, PROBE_SECONDS, LAST_LOOK),
    *(GPU_TOTAL, GPU_USED, SHM_SIZE, SHM_USED, SHM_LEAKED, LINK_UP, LINK_RATE),
    XIDS,
)
