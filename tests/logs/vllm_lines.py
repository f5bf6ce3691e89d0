"""Lines of vLLM's own making, generation by generation: a start on one node with TP=4."""

from dataclasses import dataclass
from pathlib import Path

REAL_LOGS = sorted((Path(__file__).parents[2] / "../shared/corpus/vllm").rglob("*.log"))
"""Labelled public logs, where they are kept beside the repository."""

TP = 4
GIB = 8.25
_CLOCK = "09-18 12:00:01"
_CONFIG = (
    "Initializing {what} LLM engine (v{version}) with config: model='org/model', "
    "speculative_config=None, dtype=torch.bfloat16, tensor_parallel_size=4, "
    "pipeline_parallel_size=1, quantization=None, kv_cache_dtype=auto"
)


@dataclass(frozen=True)
class Generation:
    """How one range of releases words a start; a None line is not written at all.

    `prefix` is the worker's, `early` its prefix before it knows its place in the world.
    `everyone` says that all workers write the weights line, not only the node's first.
    """

    version: str
    engine: str
    what: str
    weights: str
    assigned: str | None
    prefix: str
    kv: str
    early: str | None = None
    everyone: bool = True
    first_has_prefix: bool = True
    header: str = "INFO {clock} [{file}:1] "

    def lines(self) -> list[str]:
        """Every line of the start that says something, in the engine's order."""
        said = [self._say("", "llm.py", _CONFIG.format(what=self.what, version=self.version))]
        for rank in range(TP):
            said += self._worker(rank)
        said.append(self._say("", "kv_cache_utils.py", self.kv))
        done = "init engine (profile, create kv cache, warmup model) took 68.69 seconds"
        return [*said, self._say("", "core.py", done)]

    def _worker(self, rank: int) -> list[str]:
        named = rank or self.first_has_prefix
        prefix = self.prefix.format(rank=rank, pid=100 + rank) if named else ""
        early = (self.early or self.prefix).format(rank=rank, pid=100 + rank) if named else ""
        said = []
        if self.assigned is not None:
            said.append(self._say(early, "parallel_state.py", self.assigned.format(rank=rank)))
        if self.everyone or rank == 0:
            said.append(self._say(prefix, "model_runner.py", self.weights))
        return said

    def _say(self, prefix: str, file: str, words: str) -> str:
        return f"{prefix} {self.header.format(clock=_CLOCK, file=file)}{words}".lstrip()


_PLAIN = "rank {rank} in world size 4 is assigned as DP rank 0, PP rank 0, TP rank {rank}"
_EP = f"{_PLAIN}, EP rank {{rank}}"
_PCP = (
    "rank {rank} in world size 4 is assigned as DP rank 0, PP rank 0, PCP rank 0, "
    "TP rank {rank}, EP rank N/A, EPLB rank N/A"
)
_ETP = _PCP.replace("EP rank N/A, EPLB", "ETP rank {rank}, EP rank N/A, EPLB")
_OLD_HEADER = "INFO {clock} {file}:1] "
_V0 = "(VllmWorkerProcess pid={pid})"
_RANKED = "(VllmWorker rank={rank} pid={pid})"
_PLACED = "(Worker_TP{rank} pid={pid})"
_BLOCKS = "# GPU blocks: 17004, # CPU blocks: 6553"
_TOKENS = "GPU KV cache size: 272,064 tokens"
_LONG = f"{_TOKENS}, Maximum concurrency for 131,072 tokens per request: 2.08x"
_SECONDS = "and 25.028323 seconds"

GENERATIONS = (
    Generation(
        *("0.6.4.post1", "V0", "an", "Loading model weights took 8.2500 GB", None, _V0, _BLOCKS),
        first_has_prefix=False,
        header=_OLD_HEADER,
    ),
    Generation(
        *("0.7.2", "V0", "a V0", "Loading model weights took 8.2500 GB", _PLAIN, _V0, _BLOCKS),
        first_has_prefix=False,
        header=_OLD_HEADER,
    ),
    Generation(
        *("0.8.1", "V0", "a V0", f"Model loading took 8.2500 GB {_SECONDS}", _PLAIN, _V0),
        "# cuda blocks: 17004, # CPU blocks: 2114",
        first_has_prefix=False,
    ),
    Generation(
        *("0.8.5", "V1", "a V1", f"Model loading took 8.2500 GiB {_SECONDS}", _PLAIN, _RANKED),
        _TOKENS,
    ),
    Generation(
        *("0.9.2", "V1", "a V1", f"Model loading took 8.2500 GiB {_SECONDS}", _EP, _RANKED),
        _TOKENS,
    ),
    Generation(
        *("0.10.0", "V1", "a V1", f"Model loading took 8.2500 GiB {_SECONDS}", _EP),
        "(VllmWorker TP{rank} pid={pid})",
        _TOKENS,
        early="(VllmWorker pid={pid})",
    ),
    Generation(
        *("0.11.0", "V1", "a V1", f"Model loading took 8.2500 GiB {_SECONDS}", _EP, _PLACED),
        _TOKENS,
        early="(Worker pid={pid})",
    ),
    Generation(
        *("0.12.0", "V1", "a V1", f"Model loading took 8.2500 GiB memory {_SECONDS}", _PCP),
        *(_PLACED, _TOKENS),
        early="(Worker pid={pid})",
        everyone=False,
    ),
    Generation(
        *("0.16.0", "V1", "a V1", f"Model loading took 8.25 GiB memory {_SECONDS}", _PCP),
        *("(Worker pid={pid}) (Worker_TP{rank} pid={pid})", _TOKENS),
        early="(Worker pid={pid})",
        everyone=False,
    ),
    Generation(
        *("0.28.0", "V1", "a V1", f"Model loading took 8.25 GiB memory {_SECONDS}", _PCP),
        *(_PLACED, _LONG),
        early="(Worker pid={pid})",
        everyone=False,
    ),
    Generation(
        *("0.33.0", "V1", "a V1", f"Model loading took 8.25 GiB {_SECONDS}", _ETP),
        *(_PLACED, _LONG),
        early="(Worker pid={pid})",
    ),
)
