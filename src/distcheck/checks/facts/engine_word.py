"""What the logs of one pod say of its engine's start and end, whichever engine it is."""

import re

from msgspec.structs import replace

from distcheck.checks.evidence import Missing, PodLook, VllmLog
from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.process import Process
from distcheck.checks.evidence.serving import EngineArguments, EngineHttp
from distcheck.checks.evidence.vllm import EngineFailure
from distcheck.checks.facts.age import is_before, last_write
from distcheck.checks.facts.engine_start import is_mended

_CLOSING = frozenset(
    {
        *("engine_dead", "worker_died", "worker_exception", "process_crashed"),
        *("ray_actor_died", "ray_channel_timeout", "collective_timeout", "dp_coordinator_died"),
    }
)
"""Failures after which no request is served; others, once it serves, may be of one request, of
something beside the engine, or of a start that is over."""
_UNANSWERED = re.compile(r"\(pid \d{1,9}\): /version: (?!status )")
_TITLES = ("VLLM::", "vllm", "sglang", "ray::RayWorker", "DPEngineCore", "trtllm", "tritonserver")
_COMMANDS = ("vllm", "sglang", "trtllm", "tensorrt", "triton", "mpirun", "nim", "openai")
_SHELLS = frozenset({"bash", "sh", "dash", "ash", "tini", "dumb-init", "sleep", "tail", "pause"})


def word_of(look: PodLook) -> VllmLog | None:
    """The lines of all engines as one log; None where no log was read."""
    vllm, other = look.vllm, look.engine
    if not isinstance(other, EngineLog):
        return vllm if isinstance(vllm, VllmLog) else None
    log = vllm if isinstance(vllm, VllmLog) else VllmLog()
    log = replace(log, failures=tuple(sorted((*log.failures, *other.failures), key=_line)))
    if other.started is None or (log.started and not _is_later(other, log)):
        return log
    return replace(
        log,
        started=other.started,
        started_source=other.started_source,
        started_at=other.started_at,
    )


def _is_later(other: EngineLog, log: VllmLog) -> bool:
    """Whether the other engine's reader saw the later line: a start of SGLang shows in both."""
    there, here = _place(other.started_source), _place(log.started_source)
    return there[0] == here[0] and there[1] > here[1]


def since_start(log: VllmLog) -> tuple[EngineFailure, ...]:
    """The failures that no later start has mended."""
    return tuple(f for f in log.failures if not is_mended(log, f))


def has_ended(log: VllmLog) -> bool:
    """Whether the log says that its engine is down: it failed to start, or closed after it."""
    fatal = [f for f in since_start(log) if f.fatal]
    if not log.started or not fatal:
        return bool(fatal)
    return log.stopped_source is not None or any(f.id in _CLOSING for f in fatal)


def closing(log: VllmLog) -> EngineFailure | None:
    """The last failure since the start after which no request is served."""
    return next((f for f in reversed(since_start(log)) if f.id in _CLOSING), None)


def answers(look: PodLook) -> EngineHttp | None:
    """What the server says of itself over HTTP; None where it was not heard."""
    http = look.engine_http
    return http if isinstance(http, EngineHttp) and (http.models or http.version) else None


def doubt(look: PodLook, log: VllmLog) -> str | None:
    """Why the line of a start, still there after the engine's end, is no proof of an engine now."""
    failed = next((f for f in since_start(log) if f.fatal), None)
    if log.stopped_source is not None:
        return f"its server shut down ({log.stopped_source})"
    if failed is not None:
        return f"its log goes on: {failed.says} ({failed.source})"
    if _is_older(look, log):
        return "its server is younger than the line that says so"
    if isinstance(look.engine_http, Missing) and _UNANSWERED.search(look.engine_http.reason):
        return f"it does not answer: {look.engine_http.reason}"
    if is_empty(look):
        return "no process of an engine runs in the pod"
    return None


def _is_older(look: PodLook, log: VllmLog) -> bool:
    server = look.arguments
    said = log.started_at or last_write(log.written, log.started_source)
    return isinstance(server, EngineArguments) and is_before(said, server.started_at)


def is_empty(look: PodLook) -> bool:
    """Whether all processes of the pod were seen, and none is an engine's."""
    seen = look.processes
    if isinstance(seen, Missing) or seen.dropped:
        return False
    return not any(map(_is_engine, seen.processes))


def _is_engine(one: Process) -> bool:
    name = (one.argv[0] if one.argv else one.title).rpartition("/")[2]
    if name in _SHELLS:
        return False
    words = " ".join(one.argv[:8]).lower()
    return one.title.startswith(_TITLES) or any(command in words for command in _COMMANDS)


def _line(failure: EngineFailure) -> tuple[str, int]:
    return _place(failure.source)


def _place(source: str | None) -> tuple[str, int]:
    file, _, line = (source or "").rpartition(":")
    return file, int(line) if line.isascii() and line.isdigit() and len(line) < 19 else 0
