"""Layouts that could explain what a rank holds, each with what its ranks would hold."""

from collections.abc import Mapping

from msgspec import Struct

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.weights import (
    GIB,
    Checkpoint,
    Engine,
    Estimate,
    Exact,
    Layout,
    rank_weights,
    stored_in,
)

_DEGREES = (1, 2, 4, 8, 16, 32, 64, 128)
_NARROW = 1.1
"""An estimate whose bounds are further apart than this says too little."""
PLAIN, _QUANTISED = 0.005, 0.015
"""How far vLLM's own number may be from the computed one. 16 bit models: 0.5 % at worst, 0.003 %
in the median of 35 reports. Kernels that repack quantised weights leave up to 1.1 % of slack."""

Range = tuple[float, float]


class Expected(Struct, frozen=True, kw_only=True):
    """GiB that one rank of each pipeline stage holds under a layout.

    A stage has several sizes where its ranks have experts in different numbers. `dp` counts
    the data-parallel ranks that share one copy of the experts; 1 for a dense model. `less`
    and `more` are GiB that a rank may hold less or more than its share. `loaded_as` is a guess:
    how the engine may have quantised it, where nobody said that it did not.
    """

    tp: int
    pp: int
    stages: tuple[tuple[Range, ...], ...]
    dp: int = 1
    loaded_as: str = ""
    slack: float = PLAIN
    less: float = 0.0
    more: Range = (0.0, 0.0)
    kv: tuple[Range, ...] = ()

    @property
    def degree(self) -> int:
        """How many GPUs hold one copy together."""
        return self.tp * self.pp * self.dp

    @property
    def bounded(self) -> bool:
        """Whether only bounds are known, since other weights or an offload are allowed for."""
        return self.less > 0 or self.more != (0.0, 0.0)

    def sizes(self, stage: int | None) -> tuple[Range, ...]:
        """Least and most of each size that a rank of `stage` may hold; of any where it is None."""
        known = stage is not None and 0 <= stage < self.pp
        stages = (self.stages[stage],) if known and stage is not None else self.stages
        return tuple(
            (max(0.0, low - self.less) + self.more[0], high + self.more[1])
            for sizes in stages
            for low, high in sizes
        )

    def fits(self, gib: float, stage: int | None) -> bool:
        """Whether vLLM's line `gib` is what a rank of `stage` would print."""
        if stage is not None and not 0 <= stage < self.pp:
            stage = None
        printed = 0.5 * 10 ** -max(2, _decimals(gib))
        return any(
            low * (1 - self.slack) - printed <= gib <= high * (1 + self.slack) + printed
            for low, high in self.sizes(stage)
        )

    def __str__(self) -> str:
        """For messages: `TP=8 x PP=2`."""
        parts = [f"TP={self.tp}"]
        parts += [f"PP={self.pp}"] * (self.pp > 1) + [f"DP={self.dp}"] * (self.dp > 1)
        return " x ".join(parts) + (f" loaded as {self.loaded_as}" if self.loaded_as else "")


def _decimals(gib: float) -> int:
    return min(len(repr(gib).partition(".")[2]), 4) if gib < 1e15 else 2


def candidates(asked: Layout, wanted: Expected) -> tuple[Layout, ...]:
    """Layouts to compare with the one asked for: other degrees, with and without its stages."""
    replicas = _DEGREES if wanted.dp > 1 else (1,)
    return tuple(
        Layout(tp, pp, dp, asked.expert_parallel)
        for pp in sorted({1, asked.pp})
        for dp in replicas
        for tp in _DEGREES
        if (tp, pp, dp) != (asked.tp, asked.pp, wanted.dp) and tp * pp * dp <= _DEGREES[-1]
    )


def expected(
    config: Mapping[str, object], layout: Layout, engine: Engine, checkpoint: Checkpoint | None
) -> Expected | Missing:
    """What each rank of `layout` holds; Missing where only wide bounds or nothing is known."""
    alone = Layout(layout.tp, layout.pp, 1, layout.expert_parallel)
    if layout.pp == 1 or engine.layer_partition is None or _partitions(engine, layout.pp):
        found = _stages(config, layout, engine, checkpoint)
    else:
        return Missing(f"VLLM_PP_LAYER_PARTITION is for another number of stages than {layout.pp}")
    if isinstance(found, Missing):
        return found
    shared = layout.dp > 1 and found != _stages(config, alone, engine, checkpoint)
    return Expected(
        tp=layout.tp,
        pp=layout.pp,
        dp=layout.dp if shared else 1,
        stages=found,
        slack=_QUANTISED if stored_in(config) is not None or engine.quantisation else PLAIN,
    )


def _partitions(engine: Engine, pp: int) -> bool:
    return (engine.layer_partition or "").count(",") == pp - 1


def _stages(
    config: Mapping[str, object], layout: Layout, engine: Engine, checkpoint: Checkpoint | None
) -> tuple[tuple[Range, ...], ...] | Missing:
    if layout.pp == 1:
        engine = _whole(engine)
    found = rank_weights(config, layout, engine, checkpoint)
    if isinstance(found, Exact):
        stages: list[dict[float, None]] = [{} for _ in range(layout.pp)]
        for rank in found.ranks:
            stages[rank.place.pp_rank][rank.weights_bytes / GIB] = None
        return tuple(tuple((size, size) for size in sorted(stage)) for stage in stages)
    if isinstance(found, Estimate) and 0 < found.high <= found.low * _NARROW:
        return (((found.low / GIB, found.high / GIB),),) * layout.pp
    return Missing(found.reason)


def _whole(engine: Engine) -> Engine:
    return Engine(
        version=engine.version,
        dtype=engine.dtype,
        quantisation=engine.quantisation,
        mxfp4_kernel=engine.mxfp4_kernel,
        whole_vision=engine.whole_vision,
        redundant_experts=engine.redundant_experts,
    )
