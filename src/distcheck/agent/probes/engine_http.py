"""What a vLLM server says of itself: `/version`, `/v1/models` and `/metrics`, nothing more.

Each is a GET that makes the model do no work. The question comes from inside the pod's own
network namespace, without a key, follows no redirect, and is asked of an address of the pod
only: a command line that names another host's is not obeyed.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from distcheck.agent.container_json import NotJsonError, count, json_object, text
from distcheck.agent.exposition import Sample, samples
from distcheck.agent.http_get import NoAnswerError, Server, answer
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence.serving import EngineCache, EngineHttp, ServedModel, Sleep

T = TypeVar("T")

_MAX_MODELS = 256
_CACHE = "vllm:cache_config_info"
_USAGE = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
_SLEEP = "vllm:engine_sleep_state"
_WANTED = frozenset((_CACHE, *_USAGE, _SLEEP))
_STATES = ("awake", "weights_offloaded", "discard_all")
_MAX_ENGINES = 1024


def look(server: Server, seen_at: str) -> EngineHttp:
    """The server's answers. One that is missing is a note, not the end of the look.

    Raises:
        ProbeError: it answered none of the questions; the message has the first reason.
        OSError: the namespace cannot be entered.
    """
    notes: list[str] = []

    def asked(path: str) -> bytes | None:
        try:
            return answer(server, path)
        except NoAnswerError as error:
            notes.append(f"{path}: {error}")
            return None

    version, models, metrics = (asked(p) for p in ("/version", "/v1/models", "/metrics"))
    if version is None and models is None and metrics is None:
        raise ProbeError(f"{server.address}:{server.port} (pid {server.pid}): {notes[0]}")
    return EngineHttp(
        server.pid,
        f"{server.address}:{server.port}",
        _read(version, version_of, notes),
        _read(models, models_of, notes) or (),
        () if metrics is None else caches_of(metrics),
        tuple(notes),
        seen_at,
    )


def _read(data: bytes | None, read: Callable[[bytes], T], notes: list[str]) -> T | None:
    try:
        return None if data is None else read(data)
    except NotJsonError as error:
        notes.append(str(error))
        return None


def version_of(data: bytes) -> str | None:
    """The version that `/version` names."""
    return text(json_object(data, "/version"), "version")


def models_of(data: bytes) -> tuple[ServedModel, ...]:
    """The entries of `/v1/models`, at most 256."""
    entries = json_object(data, "/v1/models").get("data")
    found = []
    for entry in entries[:_MAX_MODELS] if isinstance(entries, list) else ():
        name = text(entry, "id")
        if name is not None:
            length = count(entry, "max_model_len")
            found.append(ServedModel(name, text(entry, "root"), text(entry, "parent"), length))
    return tuple(found)


def caches_of(data: bytes) -> tuple[EngineCache, ...]:
    """One entry for each engine that `/metrics` names, in the order of their first line."""
    by_engine: dict[str, list[Sample]] = {}
    for sample in samples(data.decode("utf-8", "replace"), _WANTED):
        engine = sample.labels.get("engine", "")
        if engine in by_engine or len(by_engine) < _MAX_ENGINES:
            by_engine.setdefault(engine, []).append(sample)
    return tuple(_cache(engine, found) for engine, found in by_engine.items())


def _cache(engine: str, found: list[Sample]) -> EngineCache:
    told = next((s.labels for s in found if s.name == _CACHE), {})
    usage = next((s.value for name in _USAGE for s in found if s.name == name), None)
    states = [s.labels.get("sleep_state") for s in found if s.name == _SLEEP and s.value == 1]
    state = states[0] if len(states) == 1 and states[0] in _STATES else None
    return EngineCache(
        engine=engine[:16],
        num_gpu_blocks=_whole(told.get("num_gpu_blocks")),
        num_cpu_blocks=_whole(told.get("num_cpu_blocks")),
        block_size=_whole(told.get("block_size")),
        gpu_memory_utilization=_share(told.get("gpu_memory_utilization")),
        cache_dtype=told.get("cache_dtype", "")[:32] or None,
        kv_cache_memory_bytes=_whole(told.get("kv_cache_memory_bytes")),
        kv_cache_size_tokens=_whole(told.get("kv_cache_size_tokens")),
        cpu_offload_gib=_share(told.get("cpu_offload_gb"), most=1e6),
        usage=usage if usage is not None and 0 <= usage <= 1 else None,
        sleep=cast(Sleep | None, state),
    )


def _whole(value: str | None) -> int | None:
    """A size; `None` is what the metric has for one that is not set."""
    plain = value is not None and value.isascii() and value.isdigit() and len(value) <= 18
    return int(value) if value and plain else None


def _share(value: str | None, most: float = 1.0) -> float | None:
    try:
        number = float((value or "")[:32])
    except ValueError:
        return None
    return number if 0 <= number <= most else None
