"""A plan for a model on GPUs that are not there yet (`distcheck.plan/v1`): the types."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.knowledge.plan_fabric import Fabric
from distcheck.checks.knowledge.weights import Checkpoint, Engine

PLAN_SCHEMA = "distcheck.plan/v1"


class PlanModel(Struct, frozen=True, kw_only=True):
    """What the model's files say of it. None: they do not."""

    name: str
    source: str
    architecture: str
    layers: int | None = None
    attention_heads: int | None = None
    kv_heads: int | None = None
    experts: int | None = None
    max_model_len: int | None = None
    weights: str = ""
    """How the weights are stored: "16 bit", "fp8, blocks of 128 x 128"."""


class Ask(Struct, frozen=True, kw_only=True):
    """What is planned for. `None` of a degree leaves it to the plan, of a batch to vLLM."""

    config: dict[str, object]
    checkpoint: Checkpoint | None = None
    engine: Engine = Engine()
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    expert_parallel: bool | None = None
    gpus: int | None = None
    gpu_bytes: int | None = None
    gpus_per_node: int = 8
    fabric: Fabric | None = None
    max_model_len: int | None = None
    max_num_seqs: int = 256
    max_num_batched_tokens: int | None = None
    kv_cache_dtype: str = "auto"
    utilization: float = 0.9


class PlannedRank(Struct, frozen=True, kw_only=True):
    """One rank. `weights_bytes` only where it is exact; else its bounds, where there are any."""

    rank: int
    tp_rank: int
    pp_rank: int
    dp_rank: int
    weights_bytes: int | None
    weights_bytes_low: int | None
    weights_bytes_high: int | None


class PlannedGpu(Struct, frozen=True, kw_only=True):
    """The memory of GPUs that hold the same, in bytes.

    `rest` is what is neither weights nor KV cache: CUDA context, NCCL, activations, graphs.
    The KV cache is what vLLM takes of the budget after both; its bounds are of that order.
    """

    ranks: tuple[int, ...]
    pp_rank: int
    total: int
    budget: int
    weights_low: int
    weights_high: int
    rest_low: int
    rest_likely: int
    rest_high: int
    kv_low: int | None = None
    kv_likely: int | None = None
    kv_high: int | None = None


class KvRoom(Struct, frozen=True):
    """Tokens of KV cache of one copy of the model: at least, likely, at most."""

    low: int
    likely: int
    high: int


class PlannedLayout(Struct, frozen=True, kw_only=True):
    """One way to cut the model.

    `fits` is None where bounds leave it open, or where no GPU memory was given. `ep` is the
    number of ranks that share the experts, 1 where experts are cut like all else. `refused`
    is vLLM's own reason, where it would not start. `max_model_len` is what the flags ask for.
    """

    tp: int
    pp: int
    ep: int
    dp: int
    fits: bool | None
    ranks: tuple[PlannedRank, ...]
    shm_bytes: int
    advice: str
    why: tuple[str, ...]
    gpus: int
    nodes: int
    exact: bool = False
    weights_are: str = ""
    """How exact weights are stored ("fp8"); else why they are not exact."""
    refused: str | None = None
    memory: tuple[PlannedGpu, ...] = ()
    kv_tokens: KvRoom | None = None
    max_model_len: int | None = None
    shortened: bool = False
    """The length was cut to what fits, because none was asked for; where `fits` is False,
    the model's own length does not fit and `max_model_len` is one that may."""
    short: str = ""
    """The one reason that a table has room for."""
    shm_says: str = ""
    flags: tuple[str, ...] = ()

    @property
    def avoided(self) -> bool:
        """Memory may do, but the interconnect does not carry it."""
        return self.advice.startswith("Avoid")


Verdict = Literal["fits", "may_fit", "does_not_fit", "avoid", "refused", "weights_only", "unknown"]
"""Of the best layout. `avoid`: memory may do, the interconnect does not. `refused`: vLLM would
not start. `weights_only`: no GPU memory was given. `unknown`: nothing is known of the weights."""


class PlannedBest(Struct, frozen=True, kw_only=True):
    """The first layout in short, and the arguments of `vllm serve` that ask for it."""

    tp: int
    pp: int
    ep: int
    dp: int
    gpus: int
    nodes: int
    max_model_len: int | None
    flags: tuple[str, ...]


class Plan(Struct, frozen=True, kw_only=True):
    """The answer: layouts, best first, and what they rest on.

    `best` is None where none is to be deployed. `order` says what "best first" goes by.
    """

    schema: str = PLAN_SCHEMA
    verdict: Verdict
    best: PlannedBest | None
    order: str
    model: PlanModel
    checkpoint_bytes: int | None
    layouts: tuple[PlannedLayout, ...]
    asked: str = ""
    notes: tuple[str, ...] = ()
