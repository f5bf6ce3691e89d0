"""What engines other than vLLM show in their own lines: SGLang, TensorRT-LLM, and NIM."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen
from distcheck.checks.evidence.vllm import EngineFailure

EngineName = Literal["sglang", "trtllm", "nim"]


class EngineRank(Struct, frozen=True, omit_defaults=True):
    """One process as its lines name it; None for what they do not say.

    `label` is SGLang's (`DP0 TP3`). `gpu` is the index in the process's own view. `gib` is
    the memory that the weights took by the engine's count, a difference of free memory in
    SGLang: near the size of the weights, not equal to it.
    """

    source: str
    label: str = ""
    rank: int | None = None
    gpu: int | None = None
    gib: float | None = None


class EngineLog(Seen, frozen=True, omit_defaults=True, tag="engine-log"):
    """Facts from the lines of one pod's logs; None where no line shows it.

    `engine` is who wrote the configuration; under NIM `backend` is what serves, by the
    metadata of `profile`. `tp`, `pp`, `dp` and `nodes` are cited by `config_source`.
    `world_size` is MPI's, or what NIM gives its engine. `dropped` counts ranks left out.
    `failures` are the engine's own words for its end; `started_at` is the log transport's time.
    """

    lines: int = 0
    engine: EngineName | None = None
    backend: str | None = None
    version: str | None = None
    model: str | None = None
    profile: str | None = None
    precision: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    nodes: int | None = None
    world_size: int | None = None
    config_source: str | None = None
    ranks: tuple[EngineRank, ...] = ()
    started: bool | None = None
    started_source: str | None = None
    dropped: int = 0
    started_at: str | None = None
    failures: tuple[EngineFailure, ...] = ()
