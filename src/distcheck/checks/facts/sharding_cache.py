"""How much of a GPU's memory the KV cache takes, as far as the engine says it."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Pod, VllmLog
from distcheck.checks.evidence.serving import EngineCache, EngineHttp
from distcheck.checks.evidence.vllm import KvCache
from distcheck.checks.facts.engine_lines import (
    ranks_by_pod,
    weights_by_pod,
)

_UNEVEN = 1.2
"""Older engines give a stage with more room a larger cache than the number that all report."""
_ROOM = 2.5
"""GiB by which the ranks of one server differ in what they have left for the cache."""

Range = tuple[float, float]


class CacheSize(Struct, frozen=True):
    """Tokens that the cache of one engine holds, and GiB that it may take at most; 0: not told."""

    tokens: tuple[int, int] = (0, 0)
    most: float = 0.0
    cites: tuple[Cite, ...] = ()

    def gib(self, per_token: Range | None, stages: int = 1) -> Range:
        """GiB on one rank whose tokens take `per_token` bytes; from 0 where that is not known."""
        if not self.tokens[1] or per_token is None:
            return 0.0, self.most or float("inf")
        low, high = (n * b / 2**30 for n, b in zip(self.tokens, per_token, strict=True))
        return low, high * (_UNEVEN if stages > 1 else 1.0) + _ROOM


UNTOLD = CacheSize()


def cache_sizes(evidence: Evidence) -> dict[str, CacheSize]:
    """By pod (`namespace/name`), of engines that say it: over HTTP, else in lines of this run."""
    weights = weights_by_pod(evidence)
    ranks = ranks_by_pod(evidence)
    current = {x for found in (weights, ranks) for lines in found.values() for x in lines}
    sizes: dict[str, CacheSize] = {}
    for pod in evidence.pods:
        look, size = evidence.look(pod), UNTOLD
        if isinstance(look.engine_http, EngineHttp):
            size = _by_http(pod, look.engine_http)
        # The line has no pid: it counts beside one of a rank that runs now.
        log = look.vllm
        if size == UNTOLD and isinstance(log, VllmLog) and current & {*log.weights, *log.ranks}:
            size = _by_log(pod, log.kv_cache)
        if size != UNTOLD:
            sizes[pod.key] = size
    return sizes


def together(sizes: Iterable[CacheSize]) -> CacheSize:
    """What holds for a rank of any of these engines."""
    every = tuple(sizes)
    if not every or not all(s.tokens[1] for s in every):
        return every[0] if len(every) == 1 else UNTOLD
    tokens = min(s.tokens[0] for s in every), max(s.tokens[1] for s in every)
    return CacheSize(tokens, 0.0, tuple(c for s in every for c in s.cites))


def _by_http(pod: Pod, http: EngineHttp) -> CacheSize:
    tokens = [t for c in http.caches if (t := _tokens(c))]
    if not tokens or len(tokens) < len(http.caches):
        return UNTOLD
    what = f"the engine of {pod.name} has a KV cache of {_numbers(tokens)} tokens"
    return CacheSize((min(tokens), max(tokens)), 0.0, (Cite(what, http.address, http.seen_at),))


def _tokens(cache: EngineCache) -> int:
    if cache.num_gpu_blocks and cache.block_size:
        return max(0, cache.num_gpu_blocks * cache.block_size)
    return max(0, cache.kv_cache_size_tokens or 0)


def _by_log(pod: Pod, said: KvCache | None) -> CacheSize:
    if said is None:
        return UNTOLD
    blocks = (said.gpu_blocks or 0) * (said.block_size or 0)
    tokens = tuple(max(0, t) for t in said.tokens or ((blocks,) if blocks else ()))
    if not tokens:
        return CacheSize(most=max(said.available_gib) + _ROOM) if said.available_gib else UNTOLD
    what = f"the engine of {pod.name} says that its KV cache has {_numbers(tokens)} tokens"
    return CacheSize((min(tokens), max(tokens)), 0.0, (Cite(what, said.source),))


def _numbers(tokens: Iterable[int]) -> str:
    return " or ".join(f"{t:,}" for t in dict.fromkeys(tokens))
