"""The memory of each kind of GPU under a layout, and the KV cache that is left."""

from msgspec import structs

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.layer_split import layer_split
from distcheck.checks.knowledge.plan import Ask, KvRoom, PlannedGpu
from distcheck.checks.knowledge.plan_batch import step_tokens
from distcheck.checks.knowledge.plan_held import Held
from distcheck.checks.knowledge.plan_room import Batch, rest_of, text_sizes
from distcheck.checks.knowledge.weights import KvPerToken, Layout, kv_bytes_per_token

Caches = tuple[KvPerToken | Missing, ...]
"""What a token takes on each kind of GPU."""


def memory_of(ask: Ask, layout: Layout, held: Held) -> tuple[tuple[PlannedGpu, ...], Caches]:
    """GPUs that hold the same, once; beside each, what a token takes there."""
    if ask.gpu_bytes is None or not held.bounds:
        return (), ()
    alike: dict[tuple[int, int, int], list[int]] = {}
    for place, low, high in held.bounds:
        alike.setdefault((place.pp_rank, low, high), []).append(place.rank)
    caches = tuple(
        kv_bytes_per_token(ask.config, layout, stage, ask.engine, ask.kv_cache_dtype)
        for stage, _, _ in alike
    )
    gpus = (_gpu(ask, layout, tuple(ranks), *key) for key, ranks in alike.items())
    return tuple(_with_cache(g, c) for g, c in zip(gpus, caches, strict=True)), caches


def _gpu(
    ask: Ask, layout: Layout, ranks: tuple[int, ...], stage: int, low: int, high: int
) -> PlannedGpu:
    rest = rest_of(ask.config, layout, _layers(ask, layout, stage), batch_of(ask))
    total = ask.gpu_bytes or 0
    return PlannedGpu(
        ranks=ranks,
        pp_rank=stage,
        total=total,
        budget=int(total * ask.utilization),
        weights_low=low,
        weights_high=high,
        rest_low=rest.low,
        rest_likely=rest.likely,
        rest_high=rest.high,
    )


def batch_of(ask: Ask) -> Batch:
    """How much runs at once."""
    return Batch(ask.max_num_seqs, step_tokens(ask))


def _layers(ask: Ask, layout: Layout, stage: int) -> int:
    """Layers of one stage; 0 where the file does not say."""
    layers = text_sizes(ask.config)("num_hidden_layers") or 0
    split = layer_split(layers, layout.pp, ask.engine.version, ask.engine.layer_partition)
    return 0 if isinstance(split, Missing) else split[stage]


def _with_cache(gpu: PlannedGpu, cache: KvPerToken | Missing) -> PlannedGpu:
    if isinstance(cache, Missing):
        return gpu
    middle = (gpu.weights_low + gpu.weights_high) // 2
    return structs.replace(
        gpu,
        kv_low=max(0, gpu.budget - gpu.weights_high - gpu.rest_high),
        kv_likely=max(0, gpu.budget - middle - gpu.rest_likely),
        kv_high=max(0, gpu.budget - gpu.weights_low - gpu.rest_low),
    )


def tokens_of(memory: tuple[PlannedGpu, ...], caches: Caches) -> KvRoom | None:
    """Of the rank with the least room: vLLM gives every rank as many blocks."""
    rooms = [
        [(size or 0) // cache.total for size in (gpu.kv_low, gpu.kv_likely, gpu.kv_high)]
        for gpu, cache in zip(memory, caches, strict=True)
        if isinstance(cache, KvPerToken) and cache.total
    ]
    if not rooms or len(rooms) < len(memory):
        return None
    low, likely, high = (min(column) for column in zip(*rooms, strict=True))
    return KvRoom(low, likely, high)
