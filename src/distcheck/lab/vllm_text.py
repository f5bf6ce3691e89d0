"""vLLM 0.10.2's own lines for the lab: what each process of the engine prints."""

from collections.abc import Iterator

from distcheck.lab.layout import GPU_MEMORY, MODEL_PATH, NCCL, VLLM, Layout, Rank
from distcheck.lab.scenario import GIB, Engine

WEIGHTS_GIB = {(16, 1, 0): 8.4048, (8, 1, 0): 16.4605, (8, 2, 0): 8.2458, (8, 2, 1): 8.2459}
"""(TP, PP, stage) -> GiB of weights on one rank of Llama-3.1-70B in bf16, worked out by hand."""

LOAD_SECONDS = 42.318901
OTHERS_GIB = 2.36
"""Context, NCCL's buffers, activations and graphs of a rank, once it serves."""

_BLOCK = 16
_KV_HEADS, _HEAD, _LAYERS, _BYTES = 8, 128, 80, 2
_SHARE_OF_GPU = 0.92


def kv_tokens(engine: Engine) -> int:
    """Tokens that fit into what the weights and the rest leave of 92 % of a GPU."""
    weights = max(gib for key, gib in WEIGHTS_GIB.items() if key[:2] == (engine.tp, engine.pp))
    left = _SHARE_OF_GPU * GPU_MEMORY - (weights + OTHERS_GIB) * GIB
    return int(left) // kv_token_bytes(engine) // _BLOCK * _BLOCK


def kv_token_bytes(engine: Engine) -> int:
    """Bytes of one token's keys and values on one rank."""
    heads = max(1, _KV_HEADS // engine.tp)
    return _LAYERS // engine.pp * 2 * heads * _HEAD * _BYTES


def memory_used(engine: Engine, stage: int) -> int:
    """Bytes that a rank that serves holds on its GPU."""
    weights = WEIGHTS_GIB[(engine.tp, engine.pp, stage)]
    return int((weights + OTHERS_GIB) * GIB) + kv_tokens(engine) * kv_token_bytes(engine)


def worker_head(layout: Layout, rank: Rank) -> Iterator[str]:
    """A worker before its communicators: the library, and where its ranks meet."""
    engine = layout.world.engines[rank.engine]
    if engine.progress == "waiting":
        return
    size, meet = engine.tp * engine.pp, _meeting(layout, rank)
    yield _line(
        layout,
        30,
        "DEBUG",
        "parallel_state.py:973",
        (
            f"world_size={size} rank={rank.rank} local_rank={rank.gpu} "
            f"distributed_init_method={meet} backend=nccl"
        ),
    )
    if engine.progress != "rendezvous":
        yield _line(layout, 33, "INFO", "pynccl.py:70", f"vLLM is using nccl=={NCCL}")


def worker_tail(layout: Layout, rank: Rank) -> Iterator[str]:
    """A worker after its communicators: its rank, its weights, its room for the cache."""
    engine = layout.world.engines[rank.engine]
    if engine.progress != "serving":
        return
    size = engine.tp * engine.pp
    gib = WEIGHTS_GIB[(engine.tp, engine.pp, rank.pp_rank)]
    yield _line(
        layout,
        36,
        "INFO",
        "parallel_state.py:1165",
        (
            f"rank {rank.rank} in world size {size} is assigned as DP rank 0, "
            f"PP rank {rank.pp_rank}, TP rank {rank.tp_rank}, EP rank {rank.tp_rank}"
        ),
    )
    yield _line(
        layout, 36, "INFO", "gpu_model_runner.py:2338", f"Starting to load model {MODEL_PATH}..."
    )
    yield _line(layout, 78, "INFO", "default_loader.py:268", "Loading weights took 41.02 seconds")
    yield _line(
        layout,
        78,
        "INFO",
        "gpu_model_runner.py:2392",
        (f"Model loading took {gib:.4f} GiB and {LOAD_SECONDS} seconds"),
    )
    left = kv_tokens(engine) * kv_token_bytes(engine) / GIB
    text = f"Available KV cache memory: {left:.2f} GiB"
    yield _line(layout, 85, "INFO", "gpu_worker.py:298", text)


def server_lines(layout: Layout, engine: Engine, pid: int) -> Iterator[str]:
    """The API server and the engine core of one engine, as the container's log has them."""
    api, core = f"(APIServer pid={pid}) ", f"(EngineCore_DP0 pid={pid + 60}) "
    size = engine.tp * engine.pp
    yield api + _line(layout, 12, "INFO", "api_server.py:1896", f"vLLM API server version {VLLM}")
    yield core + _line(layout, 20, "INFO", "core.py:76", _config(engine))
    yield core + _line(
        layout,
        21,
        "INFO",
        "ray_utils.py:345",
        ("No current placement group found. Creating a new placement group."),
    )
    if engine.progress == "waiting":
        yield from _waiting(layout, core, size)
    if engine.progress != "serving":
        return
    yield core + _line(
        layout, 22, "INFO", "ray_distributed_executor.py:171", ("use_ray_spmd_worker: True")
    )
    for _ in range(size):
        yield core + _line(
            layout,
            86,
            "INFO",
            "kv_cache_utils.py:864",
            (f"GPU KV cache size: {kv_tokens(engine):,} tokens"),
        )
    yield core + _line(
        layout,
        110,
        "INFO",
        "core.py:218",
        ("init engine (profile, create kv cache, warmup model) took 31.92 seconds"),
    )
    yield api + _line(layout, 112, "INFO", "launcher.py:36", "Route: /v1/models, Methods: GET")
    yield "INFO:     Application startup complete."


def _waiting(layout: Layout, core: str, size: int) -> Iterator[str]:
    for seconds in (10, 30, 70):
        yield core + _line(
            layout,
            21 + seconds,
            "INFO",
            "ray_utils.py:233",
            (
                f"Waiting for creating a placement group of specs for {seconds} seconds. "
                f"specs=[{', '.join(['{GPU: 1.0}'] * size)}]. Check `ray status` and "
                "`ray list nodes` to see if you have enough resources."
            ),
        )


def _config(engine: Engine) -> str:
    return (
        f"Initializing a V1 LLM engine (v{VLLM}) with config: model='{MODEL_PATH}', "
        f"speculative_config=None, tokenizer='{MODEL_PATH}', dtype=torch.bfloat16, "
        f"max_seq_len=32768, tensor_parallel_size={engine.tp}, "
        f"pipeline_parallel_size={engine.pp}, data_parallel_size=1, "
        "disable_custom_all_reduce=False, quantization=None, enforce_eager=False, "
        "kv_cache_dtype=auto"
    )


def _meeting(layout: Layout, rank: Rank) -> str:
    head = layout.member(layout.world.engines[rank.engine].nodes[0])
    return f"tcp://{head.ip}:{layout.rendezvous_port}"


def _line(layout: Layout, seconds: float, level: str, place: str, text: str) -> str:
    return f"{level} {layout.at(seconds):%m-%d %H:%M:%S} [{place}] {text}"
