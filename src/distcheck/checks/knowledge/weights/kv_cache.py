"""Bytes of KV cache that one token takes on one rank."""

from collections.abc import Mapping

from msgspec import Struct

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.layer_split import layer_split, version_of
from distcheck.checks.knowledge.weights.families import model_of
from distcheck.checks.knowledge.weights.layout import Engine, Layout, Refused, Unmodelled
from distcheck.checks.knowledge.weights.sizes import element_bytes

_FP8_DS_MLA = 656
"""Bytes a token and layer in the layout of DeepSeek's sparse attention."""


class KvPerToken(Struct, frozen=True):
    """Bytes a token: in layers that keep all tokens, and in those that keep `window` only."""

    kept: int
    windowed: int
    window: int

    @property
    def total(self) -> int:
        """A token that every layer still keeps."""
        return self.kept + self.windowed


def kv_bytes_per_token(
    config: Mapping[str, object],
    layout: Layout,
    pp_rank: int = 0,
    engine: Engine | None = None,
    kv_cache_dtype: str = "auto",
) -> KvPerToken | Missing:
    """Layers x 2 x KV heads of this rank x head width x bytes; MLA: one latent vector, not cut.

    vllm/v1/kv_cache_interface.py. `kv_cache_dtype` as `--kv-cache-dtype`: auto, or fp8 forms.
    """
    engine = engine or Engine()
    version = version_of(engine.version)
    try:
        model = model_of(config)
        if model.cache.values == 1 and version is not None and version < (0, 7, 0):
            return Missing("vLLM before 0.7 has no MLA: its cache is another")
        split = layer_split(model.layers, layout.pp, engine.version, engine.layer_partition)
        if isinstance(split, Missing):
            return split
        if not 0 <= pp_rank < layout.pp or layout.tp < 1:
            return Missing("no such rank")
        size = 1 if kv_cache_dtype.startswith("fp8") else element_bytes(config, engine.dtype)
        cache = model.cache
        # MLA's latent vector belongs to no head: each rank holds all of it.
        elements = cache.heads.on(layout.tp) if cache.values == 2 else cache.heads.length
    except (Refused, Unmodelled) as reason:
        return Missing(str(reason))
    start = sum(split[:pp_rank])
    layers = range(start, start + split[pp_rank])
    short = sum(cache.windowed(i) for i in layers) if cache.windowed and cache.window else 0
    each = _FP8_DS_MLA if kv_cache_dtype == "fp8_ds_mla" else cache.values * elements * size
    return KvPerToken((len(layers) - short) * each, short * each, cache.window)
