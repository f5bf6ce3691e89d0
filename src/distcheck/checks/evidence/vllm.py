"""What the engine's own log lines show, distilled."""

from typing import Literal

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen

EngineVersion = Literal["V0", "V1"]


class RankLine(Struct, frozen=True, omit_defaults=True):
    """One worker process says which rank of which world it is.

    `init_method` is the rendezvous address: equal on all ranks of one world. `clock` is the
    engine's own `MM-DD HH:MM:SS`; `seen_at` is the log transport's time. `host` is the IP
    that Ray's prefix names, empty for a process of the pod whose log this is. `repeated`
    counts further lines that Ray folded into this one: their numbers are lost. Ray's own
    `[repeated 15x across cluster]` counts the line that it stands on.
    """

    rank: int
    world_size: int
    source: str
    dp: int | None = None
    pp: int | None = None
    tp: int | None = None
    ep: int | None = None
    label: str = ""
    pid: int | None = None
    host: str = ""
    init_method: str | None = None
    repeated: int = 0
    clock: str | None = None
    seen_at: str | None = None


class WeightsLine(Struct, frozen=True, omit_defaults=True):
    """One worker process says how much GPU memory its weights took, in GiB.

    `rank`, `tp` and `pp` come from the same process's rank line or from its log prefix
    (`label`, for example `Worker_PP0_TP3`). The other fields are as in `RankLine`. The
    values of `repeated` lines are lost: Ray folds lines that differ only in digits.
    `rounded`: a summary of two digits, not the line that the loader writes.
    """

    gib: float
    source: str
    rank: int | None = None
    tp: int | None = None
    pp: int | None = None
    label: str = ""
    pid: int | None = None
    host: str = ""
    repeated: int = 0
    clock: str | None = None
    seen_at: str | None = None
    rounded: bool = False


class WorkerName(Struct, frozen=True, omit_defaults=True):
    """A worker process by the label that its lines carry (`Worker_PP0_TP3`, vLLM 0.10 and newer).

    The label names the index in each dimension of the process's world that is larger than 1.
    """

    label: str
    source: str
    pid: int | None = None
    host: str = ""


class MemoryUse(Struct, frozen=True, omit_defaults=True):
    """How one worker process says that its GPU memory is used besides its weights, in GiB.

    `non_torch_gib` is the growth that PyTorch does not account for (NCCL, kernels; in vLLM
    0.6.4 the CUDA context too), `activation_gib` the peak while it profiled, `graphs_gib`
    what its CUDA graphs took, `kv_gib` what it left for the KV cache.
    """

    source: str
    label: str = ""
    pid: int | None = None
    host: str = ""
    non_torch_gib: float | None = None
    activation_gib: float | None = None
    graphs_gib: float | None = None
    kv_gib: float | None = None


class KvCache(Struct, frozen=True, omit_defaults=True):
    """The KV cache that the engine reports; `tokens` and `available_gib` distinct, in order.

    `token_lines` says how many lines give each of `tokens`: vLLM 0.8 to 0.11.0 writes one for
    each worker. `gpu_blocks` is the fewest of any line.
    """

    source: str
    tokens: tuple[int, ...] = ()
    gpu_blocks: int | None = None
    block_size: int | None = None
    available_gib: tuple[float, ...] = ()
    token_lines: tuple[int, ...] = ()


class EngineFailure(Struct, frozen=True, omit_defaults=True):
    """A line by which the engine says that it failed; `fatal` means that it does not serve."""

    id: str
    says: str
    source: str
    fatal: bool = True
    seen_at: str | None = None


class VllmLog(Seen, frozen=True, omit_defaults=True, tag="vllm-log"):
    """Facts from the vLLM lines of one pod's logs; None where no line shows it.

    `tp`, `pp`, `dp` and `ep` are what the engine's configuration line or its printed
    arguments say, cited by `config_source`. `started` is False only where a line shows that
    the start failed. `dropped` counts lines that the bounds of this record left out.
    `expert_ranks` is over how many ranks the engine says that it split the experts. `backend`
    carries the collectives: as the rendezvous line names it, else what the device calls for.
    `started_at` is the log transport's time of `started_source`; `stopped_source` is the line
    by which a server that had started says that it has shut down, orderly.
    `written` is when each file was last written (RFC 3339): no line of it is younger.
    """

    lines: int = 0
    version: str | None = None
    engine: EngineVersion | None = None
    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    dtype: str | None = None
    quantization: str | None = None
    speculative: bool = False
    executor: str | None = None
    config_source: str | None = None
    ranks: tuple[RankLine, ...] = ()
    weights: tuple[WeightsLine, ...] = ()
    kv_cache: KvCache | None = None
    started: bool | None = None
    started_source: str | None = None
    failures: tuple[EngineFailure, ...] = ()
    dropped: int = 0
    workers: tuple[WorkerName, ...] = ()
    expert_ranks: int | None = None
    memory: tuple[MemoryUse, ...] = ()
    backend: str | None = None
    written: dict[str, str] = field(default_factory=dict)
    started_at: str | None = None
    stopped_source: str | None = None

    @property
    def world_size(self) -> int | None:
        """The largest world that a rank line names; None where there is no such line."""
        return max((r.world_size for r in self.ranks), default=None)
