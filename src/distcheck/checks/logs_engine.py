"""The engine's part of `distcheck.logs/v1`: the type, and the fold from what was read."""

from msgspec import Struct

from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.vllm import KvCache, RankLine, VllmLog, WeightsLine
from distcheck.checks.logs_engine_failure import EngineCause, LoggedEngineFailure, LoggedFailure
from distcheck.checks.logs_engine_failures import engine_failures, engine_root
from distcheck.checks.logs_engine_weights import one_or_all, weights_by_rank
from distcheck.checks.logs_layout import layout

__all__ = ["LoggedFailure", "VllmPart", "nccl_advice", "vllm_part"]


class VllmPart(Struct, frozen=True):
    """The engine's side of the log. None: the log does not show it.

    `weights_gib_by_rank` maps ranks to GiB; where the lines do not name their ranks and all
    give one value it is that value, or else the list of distinct values. `kv_cache_tokens`
    is a list where the workers' values differ, those that fewest workers give first. `ep` and
    `block_size` are what the engine says that it made of its arguments, not the arguments.
    `root` is the first cause of the failures, with what to do; None where none is fatal.
    `backend` is what carries the collectives: `nccl`, `gloo`, `hccl`. `ray` says that the
    ranks are processes of Ray, whichever executor runs them.
    """

    version: str | None
    engine: str | None
    model: str | None
    tp: int | None
    pp: int | None
    dp: int | None
    ep: bool | None
    world_size: int | None
    executor: str | None
    weights_gib_by_rank: dict[str, float] | float | list[float] | None
    kv_cache_tokens: int | list[int] | None
    gpu_blocks: int | None
    block_size: int | None
    started: bool | None
    failures: tuple[LoggedEngineFailure, ...]
    root: EngineCause | None = None
    backend: str | None = None
    ray: bool = False


def vllm_part(log: VllmLog) -> VllmPart:
    """What one engine log shows."""
    kv, shape, failures = log.kv_cache, layout(log), engine_failures(log)
    return VllmPart(
        version=log.version,
        engine=log.engine,
        model=log.model,
        tp=shape.tp,
        pp=shape.pp,
        dp=shape.dp,
        ep=_expert_parallel(log),
        world_size=log.world_size,
        executor=log.executor,
        weights_gib_by_rank=weights_by_rank(log, shape),
        kv_cache_tokens=one_or_all(_tokens(kv) if kv else ()),
        gpu_blocks=kv.gpu_blocks if kv else None,
        block_size=kv.block_size if kv else None,
        started=log.started,
        failures=failures,
        root=engine_root(failures),
        backend=log.backend,
        ray=log.executor == "ray" or any(w.label.startswith(_ACTORS) for w in _named(log)),
    )


_ACTORS = ("RayWorker", "DPEngineCoreActor")
"""How the labels of Ray's processes begin: workers, and engines of data parallelism."""


def _named(log: VllmLog) -> tuple[RankLine | WeightsLine, ...]:
    return (*log.ranks, *log.weights)


def _expert_parallel(log: VllmLog) -> bool | None:
    """True where the engine says so: it split the experts, or it was told to and ranks say EP."""
    named = bool(log.ep) and any(r.ep is not None for r in log.ranks)
    return True if named or (log.expert_ranks or 0) > 1 else None


def _tokens(kv: KvCache) -> tuple[int, ...]:
    counts = dict(zip(kv.tokens, kv.token_lines, strict=False))
    return tuple(sorted(kv.tokens, key=lambda tokens: (counts.get(tokens, 0), -tokens)))


_ONE_RANK = "One rank: NCCL has nothing to say."
_RAY = (
    "With Ray, NCCL's lines are in /tmp/ray/session_latest/logs/worker-*.out of each pod: give"
    " those files. They have them if NCCL_DEBUG=INFO is set in every pod before `ray start`."
)


def nccl_advice(vllm: VllmPart, engine: EngineLog | None) -> str | None:
    """What to do about logs without NCCL lines, as the engine's own lines tell; None if nothing.

    Workers of Ray write to files of their own, so NCCL's lines need not be in a pod's log.
    """
    if vllm.backend not in (None, "nccl"):
        return f"This engine does not use NCCL (backend={vllm.backend})."
    if _one_rank(vllm) or (engine is not None and _one_rank(engine)):
        return _ONE_RANK
    return _RAY if vllm.ray else None


def _one_rank(told: VllmPart | EngineLog) -> bool:
    """The world is one rank: as its lines say, or as every degree that is asked for says."""
    if told.world_size is not None:
        return told.world_size == 1
    return told.tp == 1 and told.pp == 1 and told.dp in (None, 1)
