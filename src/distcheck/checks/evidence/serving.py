"""What a running engine says of itself over HTTP, and what it was really started with."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen

Sleep = Literal["awake", "weights_offloaded", "discard_all"]


class EngineCache(Struct, frozen=True, omit_defaults=True):
    """One engine behind a server (a data-parallel rank), by `vllm:cache_config_info`.

    None for what the metric does not say. `usage` is the share of the KV cache in use, 0 to 1;
    `cpu_offload_gib` is gone from the metric since vLLM 0.18.
    """

    engine: str = ""
    num_gpu_blocks: int | None = None
    num_cpu_blocks: int | None = None
    block_size: int | None = None
    gpu_memory_utilization: float | None = None
    cache_dtype: str | None = None
    kv_cache_memory_bytes: int | None = None
    kv_cache_size_tokens: int | None = None
    cpu_offload_gib: float | None = None
    usage: float | None = None
    sleep: Sleep | None = None


class ServedModel(Struct, frozen=True, omit_defaults=True):
    """One entry of `/v1/models`; a LoRA adapter names the model under it as its `parent`."""

    id: str
    root: str | None = None
    parent: str | None = None
    max_model_len: int | None = None


class EngineHttp(Seen, frozen=True, tag="engine-http"):
    """The answers of one API server. `notes` say what it did not answer, and why."""

    pid: int
    address: str
    version: str | None = None
    models: tuple[ServedModel, ...] = ()
    caches: tuple[EngineCache, ...] = ()
    notes: tuple[str, ...] = ()
    seen_at: str | None = None


class EngineArguments(Seen, frozen=True, omit_defaults=True, tag="engine-arguments"):
    """What the engine's real parent process was started with.

    `words` is its command line with the arguments of its `--config` file put where vLLM puts
    them, before its own, so that its own win; values outside the allow-list are hidden, and
    `left_out` counts keys of the file that are not on it.
    `unread` says what could not be read: a degree that `words` do not name may then be there.
    The rest is what makes a rank hold more or less than its share of the weights.
    """

    pid: int
    words: tuple[str, ...]
    started_at: str | None = None
    config_path: str | None = None
    from_config: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    sleep_mode: bool = False
    cpu_offload_gib: float | None = None
    lora: bool = False
    max_loras: int | None = None
    draft_model: str | None = None
    draft_method: str | None = None
    left_out: int = 0


class EngineFolder(Seen, frozen=True, omit_defaults=True, tag="engine-folder"):
    """A built TensorRT-LLM engine, by the `config.json` of its folder; None for what it lacks."""

    path: str
    version: str | None = None
    architecture: str | None = None
    dtype: str | None = None
    world_size: int | None = None
    tp: int | None = None
    pp: int | None = None
    gpus_per_node: int | None = None
    quantization: str | None = None
    kv_cache_quantization: str | None = None
    max_seq_len: int | None = None
