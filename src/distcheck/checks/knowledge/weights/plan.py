"""Weights of every rank of a layout, from a model's `config.json`."""

from collections.abc import Mapping
from functools import cache, lru_cache

from msgspec import Struct, structs

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.layer_split import layer_split, version_of
from distcheck.checks.knowledge.weights.as_loaded import as_loaded
from distcheck.checks.knowledge.weights.checkpoint import Checkpoint, disagreement
from distcheck.checks.knowledge.weights.cut import Slice, bytes_by_part
from distcheck.checks.knowledge.weights.estimate import between, from_checkpoint, heads_refusal
from distcheck.checks.knowledge.weights.families import model_of
from distcheck.checks.knowledge.weights.layout import (
    KERNELS,
    Engine,
    Layout,
    Place,
    Refused,
    UnknownKernel,
    Unmodelled,
)
from distcheck.checks.knowledge.weights.model import Model
from distcheck.checks.knowledge.weights.result import (
    Exact,
    RankWeights,
    Refusal,
    Unknown,
    Weights,
)
from distcheck.checks.knowledge.weights.scheme import scheme_of
from distcheck.checks.knowledge.weights.sizes import element_bytes
from distcheck.checks.knowledge.weights.stored_as import stored_in
from distcheck.checks.knowledge.weights.tensors import Experts, Part

_MOST_RANKS = 65_536


def rank_weights(
    config: Mapping[str, object],
    layout: Layout,
    engine: Engine | None = None,
    checkpoint: Checkpoint | None = None,
) -> Weights:
    """Bytes of weights on every rank, exact where vLLM's rules for the model are known.

    `checkpoint` lets a model that is not known be bounded, and one that is known be doubted:
    where its size is not what `config` implies, the answer is an estimate, never exact.
    """
    engine = engine or Engine()
    try:
        _doubt(config, engine, checkpoint)
        return _exact(config, layout, engine)
    except Refused as refused:
        return Refusal(str(refused))
    except UnknownKernel as unknown:
        kernels = (structs.replace(engine, mxfp4_kernel=kernel) for kernel in KERNELS)
        return between([rank_weights(config, layout, one) for one in kernels], str(unknown))
    except Unmodelled as unmodelled:
        if checkpoint is None:
            return Unknown(str(unmodelled))
        loaded = as_loaded(config, engine, checkpoint)
        return from_checkpoint(config, layout, loaded, str(unmodelled))


def stage_weights(
    config: Mapping[str, object],
    layout: Layout,
    *,
    version: str | None = None,
    dtype: str | None = None,
    quantisation: str | None = None,
) -> tuple[int, ...] | Missing:
    """Bytes on the fullest rank of each pipeline stage, first to last; Missing unless exact."""
    engine = Engine(version=version, dtype=dtype, quantisation=quantisation)
    found = rank_weights(config, layout, engine)
    if not isinstance(found, Exact):
        return Missing(found.reason)
    stages: dict[int, int] = {}
    for rank in found.ranks:
        stage = rank.place.pp_rank
        stages[stage] = max(stages.get(stage, 0), rank.weights_bytes)
    return tuple(stages[stage] for stage in sorted(stages))


def _exact(config: Mapping[str, object], layout: Layout, engine: Engine) -> Exact:
    """Ranks of one stage with as many experts hold the same: each such piece is summed once."""
    model, scheme = model_of(config), scheme_of(config, engine.quantisation)
    if model.before and not scheme.keeps_vision():
        raise Unmodelled("whether the vision tower is quantised with the rest")
    count = _experts(model)
    split = _checked(model, layout, engine, count)
    size = element_bytes(config, engine.dtype)

    @cache
    def parts(stage: int, experts: int) -> Mapping[Part, int]:
        start = sum(split[:stage])
        piece = Slice(
            layout=layout,
            stage=stage,
            layers=range(start, start + split[stage]),
            experts=experts,
            engine=engine,
            version=version_of(engine.version),
            element_bytes=size,
            scheme=scheme,
        )
        return bytes_by_part(model, piece)

    def rank(place: Place) -> RankWeights:
        found = parts(place.pp_rank, _experts_on(place, layout, engine, count))
        return RankWeights(place, sum(found.values()), dict(found))

    return Exact(tuple(rank(place) for place in layout.places()), scheme.described)


def _checked(model: Model, layout: Layout, engine: Engine, count: int) -> tuple[int, ...]:
    """Layers of each stage, after what vLLM checks before it loads anything."""
    tp = layout.tp
    if min(tp, layout.pp, layout.dp) < 1 or layout.world > _MOST_RANKS:
        raise Refused("a parallel size below 1, or more ranks than there are")
    if model.heads % tp:
        raise Refused(heads_refusal(model.heads, tp))
    if layout.expert_parallel and not count:
        raise Refused(
            "Number of experts in the model must be greater than 0 "
            "when expert parallelism is enabled."
        )
    if model.tp_within_experts and tp > count:
        raise Refused(f"Tensor parallel size {tp} is greater than the number of experts {count}.")
    split = layer_split(model.layers, layout.pp, engine.version, engine.layer_partition)
    if isinstance(split, Missing):
        refuses = layout.pp > model.layers or engine.layer_partition is not None
        raise (Refused if refuses else Unmodelled)(split.reason)
    return split


def _experts(model: Model) -> int:
    rows = (row for index in range(min(model.layers, 128)) for row in model.layer(index))
    return next((row.count for row in rows if isinstance(row, Experts)), 0)


def _experts_on(place: Place, layout: Layout, engine: Engine, count: int) -> int:
    """Whole experts of one rank; a rest goes to the first ranks, up to 0.9 to the last.

    vllm/model_executor/layers/fused_moe, determine_expert_map.
    """
    if not layout.expert_parallel:
        return count
    ranks, mine = layout.tp * layout.dp, place.dp_rank * layout.tp + place.tp_rank
    each, rest = divmod(count + engine.redundant_experts, ranks)
    version = version_of(engine.version)
    if version is not None and version < (0, 10, 0):
        return each + rest if mine == ranks - 1 else each
    return each + (mine < rest)


def _doubt(config: Mapping[str, object], engine: Engine, checkpoint: Checkpoint | None) -> None:
    """A checkpoint of another size than its `config.json` implies is not what is modelled."""
    if checkpoint and (engine.quantisation is None or stored_in(config)):
        loaded = as_loaded(config, engine, checkpoint)
        reason = disagreement(checkpoint.total_bytes, loaded, _whole(_Shape(config), engine))
        if reason:
            raise Unmodelled(reason)


class _Shape(Struct, frozen=True, eq=False):
    """A `config.json` that can be a key: by all that it says."""

    config: Mapping[str, object]

    def __hash__(self) -> int:
        return hash(repr(self.config))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Shape) and repr(self.config) == repr(other.config)


@lru_cache(maxsize=32)
def _whole(shape: _Shape, engine: Engine) -> int:
    """Bytes of one copy on one GPU, without what vLLM computes for itself.

    The same for every layout that is compared.
    """
    kernel = engine.mxfp4_kernel or "triton"
    plain = structs.replace(engine, mxfp4_kernel=kernel, layer_partition=None)
    (rank,) = _exact(shape.config, Layout(1), plain).ranks
    return rank.weights_bytes - rank.parts.get("buffers", 0)
