"""CONF048: variables whose names are nearly those of known ones."""

from collections.abc import Iterator

from distcheck.checks.knowledge.spelling import within
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NCCL = (
    "ALGO ALLOC_P2P_NET_LL_BUFFERS BUFFSIZE CHECKS_DISABLE CHECK_POINTERS COLLNET_ENABLE"
    " COMM_BLOCKING COMM_ID COMM_SPLIT_SHARE_RESOURCES CONF_FILE CROSS_NIC CTA_POLICY"
    " CUMEM_ENABLE CUMEM_HOST_ENABLE DEBUG DEBUG_FILE DEBUG_SUBSYS DEBUG_TIMESTAMP_FORMAT"
    " DEBUG_TIMESTAMP_LEVELS DMABUF_ENABLE GIN_ENABLE GRAPH_DUMP_FILE GRAPH_FILE"
    " GRAPH_MIXING_SUPPORT GRAPH_REGISTER HOSTID IB_ADAPTIVE_ROUTING IB_ADDR_FAMILY"
    " IB_ADDR_RANGE IB_AR_THRESHOLD IB_CUDA_SUPPORT IB_DATA_DIRECT IB_DISABLE IB_ECE_ENABLE"
    " IB_FIFO_TC IB_GID_INDEX IB_HCA IB_IS_GLOBAL IB_MERGE_NICS IB_MERGE_VFS IB_MQP_RETRY_ALL"
    " IB_MQP_RETRY_CNT IB_PCI_RELAXED_ORDERING IB_PKEY IB_PREPOST_RECEIVE_WORK_REQUESTS"
    " IB_QPS_PER_CONNECTION IB_RETRY_CNT IB_RETURN_ASYNC_EVENTS IB_ROCE_VERSION_NUM IB_SL"
    " IB_SPLIT_DATA_ON_QPS IB_TC IB_TIMEOUT IB_USE_INLINE IB_WARN_RAIL_LOCAL IGNORE_CPU_AFFINITY"
    " IGNORE_DISABLED_P2P LAUNCH_MODE LAUNCH_ORDER_IMPLICIT LAUNCH_RACE_FATAL LL128_BUFFSIZE"
    " LL_BUFFSIZE LOCAL_REGISTER MAX_CTAS MAX_NCHANNELS MAX_P2P_NCHANNELS MIN_CTAS MIN_NCHANNELS"
    " MIN_P2P_NCHANNELS MNNVL_CLIQUE_ID MNNVL_ENABLE MNNVL_UUID NCHANNELS_PER_NET_PEER NET"
    " NETDEVS_POLICY NET_DISABLE_INTRA NET_FORCE_FLUSH NET_GDR_C2C NET_GDR_LEVEL NET_GDR_READ"
    " NET_OVERHEAD NET_PLUGIN NET_SHARED_BUFFERS NET_SHARED_COMMS NSOCKS_PERTHREAD NTHREADS"
    " NVB_DISABLE NVLSTREE_MAX_CHUNKSIZE NVLS_CHUNKSIZE NVLS_ENABLE OOB_NET_ENABLE"
    " OOB_NET_IFNAME P2P_DIRECT_DISABLE P2P_DISABLE P2P_LEVEL P2P_LL_THRESHOLD P2P_NET_CHUNKSIZE"
    " P2P_NVL_CHUNKSIZE P2P_PCI_CHUNKSIZE P2P_PXN_LEVEL P2P_READ_ENABLE P2P_USE_CUDA_MEMCPY"
    " PAT_ENABLE PROFILE_PLUGIN PROFILER_PLUGIN PROGRESS_APPENDOP_FREQ PROTO"
    " PROXY_APPEND_BATCH_SIZE PXN_C2C PXN_DISABLE RAS_ADDR RAS_ENABLE RAS_TIMEOUT_FACTOR"
    " RUNTIME_CONNECT SET_STACK_SIZE SET_THREAD_NAME SHM_DISABLE SHM_USE_CUDA_MEMCPY"
    " SINGLE_PROC_MEM_REG_ENABLE SINGLE_RING_THRESHOLD SOCKET_FAMILY SOCKET_IFNAME SOCKET_INLINE"
    " SOCKET_NTHREADS SOCKET_POLL_TIMEOUT_MSEC SOCKET_RETRY_CNT SOCKET_RETRY_SLEEP_MSEC SYM_CTAS"
    " THREAD_THRESHOLDS TOPO_DUMP_FILE TOPO_FILE TUNER_PLUGIN UID_STAGGER_RATE"
    " UID_STAGGER_THRESHOLD WIN_ENABLE WORK_ARGS_BYTES WORK_FIFO_BYTES VERSION"
    " ASYNC_ERROR_HANDLING BLOCKING_WAIT DESYNC_DEBUG USE_COMM_NONBLOCKING NVTX_DISABLE"
)
_NIM = (
    "CACHE_PATH CACHE_ONLY CUSTOM_MODEL CUSTOM_MODEL_NAME DISABLE_CUDA_GRAPH"
    " DISABLE_LOG_REQUESTS ENABLE_KV_CACHE_REUSE ENABLE_OTEL FT_MODEL GUIDED_DECODING_BACKEND"
    " JSONL_LOGGING KVCACHE_PERCENT LEADER_ROLE LOG_LEVEL LOW_MEMORY_MODE MANIFEST_PATH"
    " MAX_CPU_LORAS MAX_GPU_LORAS MAX_LORA_RANK MAX_MODEL_LEN MODEL_NAME MODEL_PROFILE"
    " MULTI_NODE NODE_RANK NUM_COMPUTE_NODES OTEL_SERVICE_NAME PEFT_REFRESH_INTERVAL PEFT_SOURCE"
    " PIPELINE_PARALLEL_SIZE RELAX_MEM_CONSTRAINTS SCHEDULER_POLICY SERVER_PORT HTTP_API_PORT"
    " SERVED_MODEL_NAME SSL_MODE TAGS_SELECTOR TENSOR_PARALLEL_SIZE TOKENIZER_MODE"
    " TRUST_CUSTOM_CODE PER_REQ_METRICS_ENABLE FORCE_TRUST_REMOTE_CODE KV_CACHE_PERCENT"
)
_VLLM = (
    "HOST_IP PORT USE_V1 LOGGING_LEVEL LOGGING_CONFIG_PATH ATTENTION_BACKEND API_KEY"
    " WORKER_MULTIPROC_METHOD ALLOW_LONG_MAX_MODEL_LEN ENGINE_ITERATION_TIMEOUT_S"
    " RPC_TIMEOUT SERVER_DEV_MODE SKIP_P2P_CHECK NCCL_SO_PATH CACHE_ROOT CONFIG_ROOT"
    " ALLOW_RUNTIME_LORA_UPDATING USE_MODELSCOPE TRACE_FUNCTION USE_FLASHINFER_SAMPLER"
    " PP_LAYER_PARTITION TORCH_PROFILER_DIR ALL2ALL_BACKEND NO_USAGE_STATS USE_DEEP_GEMM"
    " MOE_DP_CHUNK_SIZE RANDOMIZE_DP_DUMMY_INPUTS NIXL_SIDE_CHANNEL_HOST"
    " NIXL_SIDE_CHANNEL_PORT DP_SIZE DP_RANK DP_RANK_LOCAL DP_MASTER_IP DP_MASTER_PORT"
)
KNOWN = {
    "NCCL_": frozenset(f"NCCL_{n}" for n in _NCCL.split()),
    "NIM_": frozenset(f"NIM_{n}" for n in _NIM.split()),
    "VLLM_": frozenset(f"VLLM_{n}" for n in _VLLM.split()),
}
_FEW, _LONG = 1, 12


@rule("CONF048", level="hint")
def variable_is_spelt_right(template: Template) -> Iterator[Finding]:
    """Names of NCCL's, NIM's and vLLM's variables are spelt as they are read.

    What:
        A variable's name is one or two letters from one that NCCL, NIM or vLLM reads, and is not
        known itself.

    Why:
        Nobody says that nothing reads it: the default stays.

    Fix:
        Correct the name.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_SOCKET_IFNMAE, value: eth0}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_SOCKET_IFNAME, value: eth0}, {name: NCCL_NEW_IN_3_0, value: "1"}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_SOCKET_IFACE_NEW, value: eth0}]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        NCCL docs, environment variables, and NCCL_PARAM of src/ in 2.8 to 2.30; NIM reference;
        vllm/envs.py. A newer release may have
        names that are not known here.
    """
    for container in template.containers:
        for variable in container.env:
            start = next((s for s in KNOWN if variable.name.startswith(s)), "")
            if variable.given or not start or variable.name in KNOWN[start]:
                continue
            most = _FEW if len(variable.name) < _LONG else _FEW + 1
            for near in within(variable.name, KNOWN[start], most)[:1]:
                says = f"{variable.name} is not known: did you mean {near}?"
                yield Finding(variable.place.at("name").spot, says, f"Write {near}.")
