"""How vLLM says that it failed: found by few needles, without secrets, and never crowded out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.vllm import VllmReader
from distcheck.agent.logs.vllm_failures import PHRASES
from distcheck.checks.evidence import VllmLog

RAISED = {
    "heads_not_divisible": "  Value error, Total number of attention heads (8) {} (3).",
    "too_few_gpus": "  Value error, World size (16) {} (8) in this node. If this is intentional",
    "nodes_do_not_divide": "  Value error, --nnodes 2 {} (3).",
    "waiting_for_gpus": "INFO 11-21 [ray_utils.py:1] {} of specs for 10 seconds. specs=[",
    "ray_not_found": "INFO 11-21 [ray_utils.py:1] {}. A new instance will be launched with",
    "worker_hangs": "INFO 11-21 [shm_broadcast.py:1] {} in 60 seconds. This typically happens",
    "worker_died": "ERROR 11-21 [multiproc_executor.py:1] Worker proc VllmWorker-1 {} 1",
    "collective_timeout": "[rank0]:[E1121 ProcessGroupNCCL.cpp:607] [Rank 0] {}: WorkNCCL(SeqNum=3",
    "dp_coordinator_died": "{}",
}
LOGGED = {
    "WorkerProc failed to start": "ERROR 11-21 [multiproc_executor.py:1] {}.",
    "WorkerProc hit an exception": "(Worker_TP0 pid=1) ERROR 11-21 [multiproc_executor.py:1] {}.",
    "EngineCore failed to start": "(EngineCore_DP0 pid=1) ERROR 11-21 [core.py:1] {}.",
    "EngineCore encountered a": "(EngineCore_DP0 pid=1) ERROR 11-21 [core.py:1] {} fatal error.",
    "self.remote_socket.bind(socket_addr)": "ERROR 11-21 [multiproc_executor.py:898]     {}",
    "address already in use": "ERROR:    [Errno 98] error while attempting to bind on address: {}",
    "No available memory for the cache blocks": "ValueError: {}. Try increasing",
}


def read(*lines: str) -> VllmLog:
    reader = VllmReader("0.log")
    for number, line in enumerate(lines, 1):
        reader.line(number, None, line)
    return reader.result()


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda p: p.words)
def test_every_failure_is_found_as_the_engine_writes_it(phrase: object) -> None:
    words, name, fatal = phrase.words, phrase.id, phrase.fatal  # type: ignore[attr-defined]
    line = LOGGED.get(words) or RAISED.get(name) or "RuntimeError: {} more words"
    log = read(line.format(words))
    assert [(f.id, f.fatal) for f in log.failures] == [(name, fatal)]
    assert words in log.failures[0].says
    assert log.started is (False if fatal else None)


def test_the_needles_are_few_and_long() -> None:
    assert len(VllmReader.WANTED) <= 48
    assert min(map(len, VllmReader.WANTED)) >= 6
    assert len(set(VllmReader.WANTED)) == len(VllmReader.WANTED)


@pytest.mark.parametrize(
    "line",
    [
        'INFO:     10.0.0.1:40510 - "POST /v1/chat/completions HTTP/1.1" 200 OK',
        "(APIServer pid=5) INFO 11-21 [loggers.py:335] Engine 000: GPU KV cache usage: 0.0%",
        "INFO 11-21 [default_loader.py:268] Loading weights took 9.69 seconds",
        "Loading safetensors checkpoint shards:  20% Completed | 1/5 [00:00<00:02,  1.5it/s]",
        "ERROR 11-21 02:07:22 [core.py:390] Traceback (most recent call last):",
    ],
)
def test_the_lines_that_fill_a_log_are_not_wanted(line: str) -> None:
    assert not any(word in line.encode() for word in VllmReader.WANTED)


def test_exceptions_of_requests_do_not_crowd_out_the_engines_own_failure() -> None:
    requests = [f"ValueError: request {n} is too long" for n in range(500)]
    log = read(*requests, "ERROR [core.py:1] EngineCore encountered a fatal error.")
    assert [f.id for f in log.failures if f.fatal] == ["engine_dead"]
    assert sum(f.id == "exception" for f in log.failures) <= 32


def test_a_failure_keeps_no_secret_whatever_stands_before_it() -> None:
    says = f"env HF_TOKEN='{'s3cr3t' * 40}' OSError: [Errno 98] Address already in use"
    (one,) = read(f"ERROR [x.py:1] {says}").failures
    assert "s3cr3t" not in one.says


def test_a_failure_after_the_start_does_not_undo_the_start() -> None:
    log = read("INFO:     Application startup complete.", "EngineDeadError: it died")
    assert log.started is True
    assert [f.id for f in log.failures] == ["engine_dead"]


@given(st.text(max_size=200), st.sampled_from(PHRASES), st.text(max_size=200))
def test_whatever_stands_around_a_phrase_it_is_told_in_bounds(
    before: str, phrase: object, after: str
) -> None:
    words = phrase.words  # type: ignore[attr-defined]
    for one in read(f"{before}RuntimeError: {words}{after}").failures:
        assert len(one.says) <= 300
