"""vLLM 0.10.2's own lines for the lab: what each process of the engine prints, and when."""

from collections.abc import Iterator

from distcheck.lab import failures
from distcheck.lab.layout import API, COORDINATOR, NCCL, VLLM, Layout, Member, Rank
from distcheck.lab.memory import cache_gib, kv_tokens
from distcheck.lab.model import DRAFT, model_of
from distcheck.lab.scenario import Engine
from distcheck.lab.tensors import weights_gib
from distcheck.lab.titles import core_pid, cores_on, log_prefix

Line = tuple[float, str]
"""Seconds after the containers' start, and what was printed then."""

LOAD_SECONDS = 42.318901


def worker_head(layout: Layout, rank: Rank) -> Iterator[Line]:
    """A worker before its communicators: the library, and where its ranks meet."""
    engine = layout.engine(rank)
    if engine.progress == "waiting":
        return
    write = _Writer(layout, log_prefix(layout, rank, placed=False))
    if engine.fails == "gpu-taken" and (error := failures.worker_error(layout, rank)):
        yield write.error(29, "multiproc_executor.py:596", error)
        return
    yield write.line(30, "parallel_state.py:973", _meeting(layout, rank), level="DEBUG")
    if engine.progress != "rendezvous":
        yield write.line(33, "pynccl.py:70", f"vLLM is using nccl=={NCCL}")


def worker_tail(layout: Layout, rank: Rank) -> Iterator[Line]:
    """A worker after its communicators: its rank, its weights, its room for the cache."""
    world, engine = layout.world, layout.engine(rank)
    if engine.progress not in ("loading", "serving"):
        if engine.fails and (error := failures.worker_error(layout, rank)):
            yield _Writer(layout, "").error(35, "multiproc_executor.py:596", error)
        return
    yield _Writer(layout, log_prefix(layout, rank, placed=False)).line(
        36, "parallel_state.py:1165", _place(engine, rank)
    )
    write = _Writer(layout, log_prefix(layout, rank))
    gib = weights_gib(world, engine, rank.pp_rank)
    left = cache_gib(world, engine, rank.pp_rank)
    start = f"Starting to load model {model_of(world).path}..."
    yield write.line(36, "gpu_model_runner.py:2338", start)
    if engine.fails == "out-of-memory" and (error := failures.worker_error(layout, rank)):
        yield write.error(61, "multiproc_executor.py:596", error)
    if engine.progress == "loading" and engine.fails != "kv-too-small":
        return
    yield write.line(78, "default_loader.py:268", "Loading weights took 41.02 seconds")
    loaded = f"Model loading took {gib:.4f} GiB and {LOAD_SECONDS} seconds"
    yield write.line(78, "gpu_model_runner.py:2392", loaded)
    if engine.fails == "kv-too-small":
        left = 1.98
    yield write.line(85, "gpu_worker.py:298", f"Available KV cache memory: {left:.2f} GiB")


def server_lines(layout: Layout, engine: Engine, member: Member) -> Iterator[Line]:
    """The API server and the cores of one engine, as the container's log of a pod has them."""
    first = engine.nodes[0] == member.node
    yield from _api_lines(layout, engine, member) if first else _headless(layout, engine, member)
    for number in cores_on(layout, engine, member):
        yield from _core_lines(layout, engine, member, number)


def _api_lines(layout: Layout, engine: Engine, member: Member) -> Iterator[Line]:
    api = _Writer(layout, f"(APIServer pid={member.later + API}) ")
    yield api.line(12, "api_server.py:1896", f"vLLM API server version {VLLM}")
    if engine.dp > 1:
        started = f"Started DP Coordinator process (PID: {member.later + COORDINATOR})"
        yield api.line(17, "utils.py:651", started)
    if engine.progress == "serving":
        yield api.line(112, "launcher.py:36", "Route: /v1/models, Methods: GET")
        yield 113, "INFO:     Application startup complete."


def _headless(layout: Layout, engine: Engine, member: Member) -> Iterator[Line]:
    count = len(cores_on(layout, engine, member))
    if count:
        where = f"tcp://{layout.member(engine.nodes[0]).ip}:13345"
        says = f"Launching {count} data parallel engine(s) in headless mode, "
        write = _Writer(layout, "")
        yield write.line(12, "serve.py:128", f"{says}with head node address {where}.")


def _core_lines(layout: Layout, engine: Engine, member: Member, copy: int) -> Iterator[Line]:
    pid = core_pid(layout, engine, member, copy)
    core = _Writer(layout, f"(EngineCore_DP{copy} pid={pid}) ")
    size = engine.tp * engine.pp
    if copy == 0:
        yield core.line(20, "core.py:76", _config(layout, engine))
    if layout.world.ray:
        group = "No current placement group found. Creating a new placement group."
        yield core.line(21, "ray_utils.py:345", group)
    if engine.progress == "waiting":
        yield from _waiting(core, size)
    errors = failures.core_errors(layout, engine.fails)
    yield from (core.error(88, "core.py:700", error) for error in errors)
    if engine.progress != "serving":
        return
    if layout.world.ray:
        yield core.line(22, "ray_distributed_executor.py:171", "use_ray_spmd_worker: True")
    room = f"GPU KV cache size: {kv_tokens(layout.world, engine):,} tokens"
    yield from (core.line(86, "kv_cache_utils.py:864", room) for _ in range(size))
    done = "init engine (profile, create kv cache, warmup model) took 31.92 seconds"
    yield core.line(110, "core.py:218", done)
    if engine.dead:
        yield from _ends(core)
    if layout.world.asleep:
        slept = "It took 3.412907 seconds to fall asleep."
        yield core.line(220, "executor_base.py:189", slept)


def _ends(core: "_Writer") -> Iterator[Line]:
    """A worker is killed after some minutes of service; the API process goes on."""
    died = "Worker proc VllmWorker-3 died unexpectedly, shutting down executor."
    yield core.error(240, "multiproc_executor.py:156", died)
    issue = "EngineCore encountered an issue. See stack trace (above) for the root cause."
    yield core.error(241, "async_llm.py:480", issue)


def _waiting(core: "_Writer", size: int) -> Iterator[Line]:
    for seconds in (10, 30, 70):
        says = (
            f"Waiting for creating a placement group of specs for {seconds} seconds. "
            f"specs=[{', '.join(['{GPU: 1.0}'] * size)}]. Check `ray status` and "
            "`ray list nodes` to see if you have enough resources."
        )
        yield core.line(21 + seconds, "ray_utils.py:233", says)


def _config(layout: Layout, engine: Engine) -> str:
    model = model_of(layout.world)
    stored = model.config.get("quantization_config")
    method = stored["quant_method"] if isinstance(stored, dict) else None
    drafts = "--speculative-config" in layout.world.flags
    draft = f"SpeculativeConfig(method='eagle3', model='{DRAFT.path}', num_spec_tokens=3)"
    return (
        f"Initializing a V1 LLM engine (v{VLLM}) with config: model='{model.path}', "
        f"speculative_config={draft if drafts else None}, tokenizer='{model.path}', "
        f"dtype=torch.bfloat16, max_seq_len={_longest(layout)}, tensor_parallel_size={engine.tp}, "
        f"pipeline_parallel_size={engine.pp}, data_parallel_size={engine.dp}, "
        f"disable_custom_all_reduce=False, quantization={method}, enforce_eager=False, "
        "kv_cache_dtype=auto"
    )


def _longest(layout: Layout) -> str:
    flags = layout.world.flags
    return flags[flags.index("--max-model-len") + 1] if "--max-model-len" in flags else "32768"


def _meeting(layout: Layout, rank: Rank) -> str:
    """Ranks of all copies meet in one world, before vLLM 0.14."""
    engine = layout.engine(rank)
    spread = len(layout.world.nodes) > 1
    ip = layout.member(engine.nodes[0]).ip if spread else "127.0.0.1"
    return (
        f"world_size={engine.ranks} rank={rank.rank} local_rank={_local(layout, rank)} "
        f"distributed_init_method=tcp://{ip}:{layout.rendezvous_port} backend=nccl"
    )


def _local(layout: Layout, rank: Rank) -> int:
    """The number of its GPU in its engine: a copy's core shows its workers only their GPUs."""
    engine = layout.engine(rank)
    return rank.local % (engine.tp * engine.pp) if engine.dp > 1 else rank.local


def _place(engine: Engine, rank: Rank) -> str:
    """A rank's place; experts are counted over all copies of a stage."""
    return (
        f"rank {rank.rank} in world size {engine.ranks} is assigned as DP rank {rank.dp_rank}, "
        f"PP rank {rank.pp_rank}, TP rank {rank.tp_rank}, "
        f"EP rank {rank.dp_rank * engine.tp + rank.tp_rank}"
    )


class _Writer:
    """Lines of one process: its prefix, and vLLM's level, time and place."""

    def __init__(self, layout: Layout, prefix: str) -> None:
        self._layout, self._who = layout, prefix

    def line(self, seconds: float, place: str, text: str, level: str = "INFO") -> Line:
        """What is printed `seconds` after the start."""
        stamp = f"{self._layout.at(seconds):%m-%d %H:%M:%S}"
        return seconds, f"{self._who}{level} {stamp} [{place}] {text}"

    def error(self, seconds: float, place: str, text: str) -> Line:
        """An error of the process."""
        return self.line(seconds, place, text, "ERROR")
