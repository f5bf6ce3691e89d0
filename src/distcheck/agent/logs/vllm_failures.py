"""By which words vLLM says that it failed (vLLM 0.6 to 0.33)."""

import re
from functools import lru_cache

from msgspec import Struct

from distcheck.agent.logs.cutting import shortened
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence.vllm import EngineFailure

_LONGEST = 300
_BEFORE = 120
_WINDOW = 8192


class Phrase(Struct, frozen=True):
    """Words of the source, the failure they mean, and whether the engine is then down."""

    words: str
    id: str
    fatal: bool = True


PHRASES: tuple[Phrase, ...] = (
    Phrase("must be divisible by tensor parallel size", "heads_not_divisible"),
    Phrase("Pipeline parallelism is not supported for this model", "pp_unsupported"),
    Phrase("Pipeline parallelism is only supported for the following", "pp_unsupported"),
    Phrase("is larger than the number of available GPUs", "too_few_gpus"),
    Phrase("cannot be larger than the number of available GPUs", "too_few_gpus"),
    Phrase("less than max local gpu count", "too_few_gpus"),
    Phrase("less than than max local gpu count", "too_few_gpus"),
    Phrase("exceeds the total number of available GPUs in the placement group", "too_few_gpus"),
    Phrase("Waiting for creating a placement group", "waiting_for_gpus", fatal=False),
    Phrase("Cannot provide a placement group", "placement_group_timeout"),
    Phrase("Current node has no GPU available", "driver_without_gpu"),
    Phrase("is not included in a placement group", "driver_without_gpu"),
    Phrase("No existing RAY instance detected", "ray_not_found", fatal=False),
    Phrase("does not support ray.", "ray_unsupported"),
    Phrase("must evenly divide the total world size", "nodes_do_not_divide"),
    Phrase("appears to be a URI", "port_is_uri"),
    Phrase("is less than desired GPU memory utilization", "gpu_memory_taken"),
    Phrase("No available memory for the cache blocks", "no_memory_for_kv"),
    Phrase("To serve at least one request with the model", "kv_too_small"),
    Phrase("maximum number of tokens that can be stored in KV cache", "kv_too_small"),
    Phrase("CUDA out of memory. Tried to allocate", "out_of_memory"),
    Phrase("HIP out of memory. Tried to allocate", "out_of_memory"),
    Phrase("Error in memory profiling", "memory_changed"),
    Phrase("NCCL error: ", "nccl"),
    Phrase("Watchdog caught collective operation timeout", "collective_timeout"),
    Phrase("No available shared memory broadcast block found", "worker_hangs", fatal=False),
    Phrase("No available block found in 60 second", "worker_hangs", fatal=False),
    Phrase("Segfault encountered", "process_crashed"),
    Phrase("Fatal Python error: ", "process_crashed"),
    Phrase("died unexpectedly, shutting down executor", "worker_died"),
    Phrase("died unexpectedly (exit code", "worker_died"),
    Phrase("WorkerProc initialization failed", "worker_init"),
    Phrase("WorkerProc failed to start", "worker_init"),
    Phrase("WorkerProc hit an exception", "worker_exception"),
    Phrase("died, exit code:", "worker_died"),
    Phrase("Engine process failed to start", "engine_init"),
    Phrase("EngineCore failed to start", "engine_init"),
    Phrase("Engine core initialization failed", "engine_init"),
    Phrase("EngineCore encountered a", "engine_dead"),
    Phrase("EngineDeadError", "engine_dead"),
    Phrase("Engine core proc ", "engine_dead"),
    Phrase("Got fatal signal from worker processes", "engine_dead"),
    Phrase("Timed out waiting for engine core processes", "engine_cores_missing"),
    Phrase("Did not receive response from front-end process", "engine_cores_missing"),
    Phrase("RayChannelTimeoutError", "ray_channel_timeout"),
    Phrase("The actor died because of an error raised in its creation task", "ray_actor_died"),
    Phrase("ActorDiedError", "ray_actor_died"),
    Phrase("A worker died or was killed while executing a task", "ray_actor_died"),
    Phrase("Address already in use", "port_in_use"),
    Phrase("address already in use", "port_in_use"),
    Phrase("self.remote_socket.bind(socket_addr)", "bind_failed"),
    Phrase("Process VLLM_DP_Coordinator:", "dp_coordinator_died"),
)

_EXCEPTION = re.compile(r"(?:^|[\s\]])([A-Za-z_][\w.]{0,80}(?:Error|Exception)): \S.*")
_BARE = re.compile(r"(?:^|[\])] )((?:AssertionError|NotImplementedError))\s{0,8}$")
"""Those that are most often raised without a word; the frame that raises one is indented."""
_HEADER = re.compile(r"\.py:\d{1,7}\] ")


def failure(
    text: str, source: str, stamp: str | None, *, exceptions: bool = True
) -> EngineFailure | None:
    """The failure that this line speaks of, its words without secrets; None where there is none.

    Without `exceptions` only what vLLM itself says counts, not any exception's last line.
    """
    for phrase in PHRASES:
        if phrase.words in text:
            return EngineFailure(phrase.id, _says(text, phrase), source, phrase.fatal, stamp)
    found = _exception(text) if exceptions else None
    if found is None:
        return None
    says = shortened(_clean(text[found.start(1) : found.start(1) + _WINDOW]), _LONGEST)
    return EngineFailure("exception", says, source, False, stamp)


def _exception(text: str) -> re.Match[str] | None:
    if "Error: " in text or "Exception: " in text:
        return _EXCEPTION.search(text)
    return _BARE.search(text) if text.rstrip().endswith("Error") else None


def _says(text: str, phrase: Phrase) -> str:
    """The words around the phrase; secrets go before the cut, which may part them from names."""
    at = text.index(phrase.words)
    headers = [m.end() for m in _HEADER.finditer(text, 0, at)]
    start = max(headers[-1] if headers else 0, at - _WINDOW)
    told = _clean(text[start : at + _WINDOW])
    at = max(told.find(phrase.words), 0)
    return shortened(told[max(at - _BEFORE, 0) :].strip(), _LONGEST)


@lru_cache(maxsize=16)
def _clean(text: str) -> str:
    """Scrubbed once for the same words: an engine that fails says so many times."""
    return scrubbed(text)
