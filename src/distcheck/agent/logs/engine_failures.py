"""By which words SGLang (0.3 to 0.5) and TensorRT-LLM (1.0 and newer) say that they ended."""

from msgspec.structs import replace

from distcheck.agent.logs.cutting import shortened
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.vllm import EngineFailure

_PHRASES = (
    ("Scheduler hit an exception", "worker_exception"),
    ("DataParallelController hit an exception", "worker_exception"),
    ("Received sigquit from a child process", "engine_dead"),
    ("SIGQUIT received. signum", "engine_dead"),
    ("Hang detected on rank ", "engine_dead"),
    ("Error in event loop: ", "worker_exception"),
    ("Fatal error detected, initiating shutdown", "engine_dead"),
)
"""Words that only these engines write, by the failure that they mean: every one ends the engine.

SGLang: `managers/scheduler.py`, `entrypoints/engine.py`, `managers/tokenizer_manager.py`.
TensorRT-LLM: `_torch/pyexecutor/py_executor.py`, whose lines name it.
"""
_OF_TRTLLM = frozenset(words for words, _ in _PHRASES[4:])
_NAMES = ("TensorRT-LLM", "TRT-LLM")
_MOST, _LONGEST, _WINDOW = 32, 300, 4096

NEEDLES = tuple(words for words, _ in _PHRASES)


def read(log: EngineLog, text: str, source: str, stamp: str | None) -> EngineLog:
    """`log` with the failure that this line speaks of, the same words once."""
    found = next(((w, i) for w, i in _PHRASES if w in text), None)
    if found is None or len(log.failures) >= _MOST:
        return log
    words, name = found
    if words in _OF_TRTLLM and not any(one in text for one in _NAMES):
        return log
    says = shortened(scrubbed(text[text.index(words) :][:_WINDOW]).strip(), _LONGEST)
    if any(f.says == says for f in log.failures if not _is_over(log, f)):
        return log
    return replace(log, failures=(*log.failures, EngineFailure(name, says, source, True, stamp)))


def _is_over(log: EngineLog, failure: EngineFailure) -> bool:
    """Whether the log shows a start after it."""
    started = (log.started_source or "").rpartition(":")[2]
    return started.isdigit() and int(started) > int(failure.source.rpartition(":")[2])
