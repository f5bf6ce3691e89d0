"""The metric families of `serve`, as its page and `docs/metrics.md` have them."""

from distcheck.agent.openmetrics import LEFT_OUT, Family

_GROUP = ("workload_namespace", "workload")
_UNJUDGED = "the group was not verified yet"
_STALE = "that was not seen, or the verdict is older than three intervals"

_UNLISTED = "the first listing has not ended"
DISCOVERY_SUCCESS = Family(
    "discovery_success",
    "Whether the last round could list the serving groups",
    none=_UNLISTED,
)
GROUPS = Family("groups", "Serving groups that are verified", none=_UNLISTED)
PODS_LEFT_OUT = Family(
    "pods_left_out", "Pods with GPUs that are in no serving group", none=_UNLISTED
)

VERDICT = Family("verdict", "1 for the group's verdict", (*_GROUP, "verdict"), _UNJUDGED)
CHECK_STATUS = Family(
    "check_status", "1 for the check's outcome", (*_GROUP, "check", "status"), _UNJUDGED
)
VERIFY_SECONDS = Family(
    "verify_duration_seconds", "How long the last verification took", _GROUP, _UNJUDGED
)
LAST_SUCCESS = Family(
    "verify_last_success_timestamp_seconds",
    "When evidence was last gathered",
    _GROUP,
    "evidence was never gathered",
)
DEGRADED = Family(
    "degraded_gpu_seconds",
    "GPU seconds of the group under a failed check",
    (*_GROUP, "check"),
    "the check never failed while this process ran",
    "counter",
)

INFO = Family(
    "workload_info",
    "1; what serves in the group. A label whose value is not known is empty",
    (*_GROUP, "kind", "engine", "model"),
    _UNJUDGED,
)
POD_INFO = Family(
    "workload_pod_info",
    "1 for each pod of the group, whatever is seen of it: joins what agents tell to groups",
    (*_GROUP, "workload_pod", "node", "role"),
    _UNJUDGED,
)
POD_GPUS = Family(
    "workload_pod_gpus",
    "GPUs that the pod requests; a pod with 0, such as a Ray head, may be on a node without agent",
    (*_GROUP, "workload_pod"),
    "no pod of the group requests GPUs by number, as with DRA",
)
PARALLEL_SIZE = Family(
    "workload_parallel_size",
    "Ranks that are asked for in the dimension tp, pp or dp",
    (*_GROUP, "dimension"),
    "no spec or command line tells it",
)
GPUS_EXPECTED = Family(
    "workload_gpus_expected",
    "GPUs that the whole group should have",
    _GROUP,
    "no spec or command line tells it",
)
GPU_SHARE = Family(
    "workload_gpu_share",
    "Part of one copy of the model's weights that the GPU holds, at least and at most (0 to 1)",
    (*_GROUP, "workload_pod", "uuid", "gpu", "bound"),
    f"{_STALE}; or nothing bounds it on that side",
)
SHARE_EXPECTED = Family(
    "workload_gpu_share_expected",
    "Part of one copy of the model's weights that each GPU should hold: 1/(TP x PP)",
    _GROUP,
    "TP is not known, or experts are spread over the copies of a data-parallel model",
)
LINK_CHANNELS = Family(
    "workload_link_channels",
    "Pairs of ranks that NCCL connects from this pod to the peer, of a sample of 64 a process",
    (*_GROUP, "workload_pod", "peer", "transport"),
    _STALE,
)

FAMILIES = (
    *(DISCOVERY_SUCCESS, GROUPS, PODS_LEFT_OUT, LEFT_OUT),
    *(VERDICT, CHECK_STATUS, VERIFY_SECONDS, LAST_SUCCESS, DEGRADED),
    *(INFO, POD_INFO, POD_GPUS, PARALLEL_SIZE, GPUS_EXPECTED),
    *(GPU_SHARE, SHARE_EXPECTED, LINK_CHANNELS),
)
