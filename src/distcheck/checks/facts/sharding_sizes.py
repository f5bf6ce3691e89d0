"""What a rank of a layout holds: weights, a draft model, adapters, and the cache of a token."""

from collections.abc import Mapping
from math import inf

from msgspec import structs

from distcheck.checks.evidence import Missing, ModelConfig
from distcheck.checks.facts.sharding_allowances import Allowances
from distcheck.checks.facts.sharding_layouts import PLAIN, Expected, expected
from distcheck.checks.knowledge.weights import Checkpoint, Engine, Layout, kv_bytes_per_token


def loaded_smaller(
    model: ModelConfig, layouts: tuple[Layout, ...], engine: Engine, allowed: Allowances
) -> list[Expected | Missing]:
    """The same cuts quantised while loading: half the size looks like twice the degree."""
    found = [
        (named, sized(model, one, structs.replace(engine, quantisation=named), allowed))
        for named in ("fp8", "bitsandbytes")
        for one in layouts
    ]
    return [
        structs.replace(e, loaded_as=n, slack=PLAIN) for n, e in found if isinstance(e, Expected)
    ]


def sized(
    model: ModelConfig, layout: Layout, engine: Engine, allowed: Allowances
) -> Expected | Missing:
    """What each rank of `layout` holds, with what is allowed for and what a token takes."""
    size = model.checkpoint_bytes
    stored = Checkpoint(size, model.checkpoint_types) if size else None
    found = expected(model.config, layout, engine, stored)
    if isinstance(found, Missing):
        return found
    largest = max(high for stage in found.stages for _, high in stage)
    draft = _draft(allowed, layout, engine.version)
    return structs.replace(
        found,
        less=allowed.offload,
        more=(draft[0], draft[1] + (largest * _LORA if allowed.lora else 0.0)),
        kv=_kv(model.config, layout, engine, allowed),
    )


_LORA = 0.25
"""Adapters' buffers against the weights: at most. Reports have 0.1 % to 7 %."""


def _draft(allowed: Allowances, layout: Layout, version: str | None) -> tuple[float, float]:
    """GiB of the draft model on one rank: cut as the model is, or whole.

    Of several pipeline stages only the last one has it (vLLM, gpu_model_runner.py).
    """
    if not allowed.speculates:
        return 0.0, 0.0
    if allowed.draft is None:
        return 0.0, inf
    config, engine = allowed.draft.config, Engine(version=version)
    sizes = [expected(config, Layout(tp), engine, None) for tp in {1, layout.tp}]
    gib = [s for e in sizes if isinstance(e, Expected) for s in e.stages[0][0]]
    if len(gib) < 2 * len(sizes):
        return 0.0, inf
    return (min(gib) if layout.pp == 1 else 0.0), max(gib)


def _kv(
    config: Mapping[str, object], layout: Layout, engine: Engine, allowed: Allowances
) -> tuple[tuple[float, float], ...]:
    """Bytes of one token in each stage's cache; none where it is not known, or not only that."""
    if not allowed.read or allowed.cuts_cache or allowed.speculates:
        return ()
    kind, stages = allowed.cache_dtype or "auto", []
    for stage in range(layout.pp):
        found = kv_bytes_per_token(config, layout, stage, engine, kind)
        if isinstance(found, Missing) or found.windowed:
            return ()
        stages.append((float(found.kept), float(found.kept)))
    return tuple(stages)
