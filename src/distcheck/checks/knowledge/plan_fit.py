"""Whether a layout fits, for requests of which length, and what vLLM says where it does not."""

from msgspec import Struct

from distcheck.checks.knowledge.plan import Ask, PlannedGpu
from distcheck.checks.knowledge.plan_held import Held
from distcheck.checks.knowledge.plan_memory import Caches, batch_of
from distcheck.checks.knowledge.plan_room import longest, request_bytes, text_sizes
from distcheck.checks.knowledge.weights import GIB, KvPerToken, as_loaded

LOADED = 0.95
"""Of a checkpoint, at least: prediction layers stay on disk."""
FLOOR = 8192
"""Tokens of a request below which a server is of little use, where no length is asked for."""


class Fit(Struct, frozen=True):
    """Whether a layout fits, for which length, and why not."""

    fits: bool | None
    length: int | None
    shortened: bool = False
    refused: str | None = None


def fit_of(
    ask: Ask,
    held: Held,
    memory: tuple[PlannedGpu, ...],
    caches: Caches,
) -> Fit:
    """Weights first, then room for one request: its own length, or the one asked for."""
    own = ask.max_model_len or text_sizes(ask.config)("max_position_embeddings")
    if held.refused:
        return Fit(False, own, refused=held.refused)
    if not memory:
        return Fit(None, own)
    if beyond := _beyond(ask, held):
        return Fit(False, own, refused=beyond)
    full = [gpu for gpu in memory if gpu.weights_low + gpu.rest_low >= gpu.budget]
    if full:
        return Fit(False, own, refused=_no_room(full[0]))
    pairs = [(g, c) for g, c in zip(memory, caches, strict=True) if isinstance(c, KvPerToken)]
    if len(pairs) < len(memory):
        return Fit(None, own)
    return _for_length(ask, own, pairs)


def _beyond(ask: Ask, held: Held) -> str:
    """Where only the checkpoint bounds a rank: all ranks together must hold all of it."""
    every = (ask.gpu_bytes or 0) * len(held.bounds)
    if held.exact or ask.checkpoint is None:
        return ""
    least, _ = as_loaded(ask.config, ask.engine, ask.checkpoint)
    if least * LOADED <= every:
        return ""
    return (
        f"CUDA out of memory: at least {least * LOADED / GIB:.1f} GiB of weights on GPUs of"
        f" {every / GIB:.1f} GiB together"
    )


def _for_length(ask: Ask, own: int | None, pairs: list[tuple[PlannedGpu, KvPerToken]]) -> Fit:
    """Fits for sure, for sure not, or open; a length that nobody asked for may be cut."""
    batch = batch_of(ask)
    sure = min(longest(cache, gpu.kv_low or 0, batch) for gpu, cache in pairs)
    most = min(longest(cache, gpu.kv_high or 0, batch) for gpu, cache in pairs)
    wanted = own or FLOOR
    if sure >= wanted:
        return Fit(True, own)
    if ask.max_model_len is None and sure >= FLOOR:
        return Fit(True, sure // 1024 * 1024, shortened=True)
    if most >= wanted:
        return Fit(None, own)
    gpu, cache = min(pairs, key=lambda pair: longest(pair[1], pair[0].kv_high or 0, batch))
    refused = _too_long(wanted, request_bytes(cache, wanted, batch), gpu, most)
    if ask.max_model_len or most < FLOOR:
        return Fit(False, own, refused=refused)
    likely = min(longest(cache, gpu.kv_likely or 0, batch) for gpu, cache in pairs)
    return Fit(False, max(FLOOR, likely // 1024 * 1024), shortened=True, refused=refused)


def _no_room(gpu: PlannedGpu) -> str:
    if gpu.weights_low > gpu.total:
        return (
            f"CUDA out of memory: {gpu.weights_low / GIB:.1f} GiB of weights on a GPU of"
            f" {gpu.total / GIB:.1f} GiB"
        )
    return (
        "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when"
        " initializing the engine."
    )


def _too_long(length: int, need: int, gpu: PlannedGpu, most: int) -> str:
    return (
        f"To serve at least one request with the model's max seq len ({length}),"
        f" ({need / GIB:.2f} GiB KV cache is needed, which is larger than the available KV cache"
        f" memory ({(gpu.kv_high or 0) / GIB:.2f} GiB). Based on the available memory, the"
        f" estimated maximum model length is {most}."
    )
