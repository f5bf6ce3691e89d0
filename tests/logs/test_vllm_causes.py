"""Why the engine failed: the first cause behind words that only say that it did."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.vllm import VllmReader, merge
from distcheck.agent.logs.vllm_failures import PHRASES
from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.vllm import VllmLog
from distcheck.checks.knowledge.engine_remedies import (
    ENGINE,
    EXCEPTIONS,
    FOLLOWS,
    GENERIC,
    UNSEEN,
    engine_cause,
)
from distcheck.checks.logs_engine import VllmPart, nccl_advice, vllm_part

CORE = "(EngineCore_DP0 pid=2) ERROR 11-21 [core.py:1] "
WORKER = "(Worker_TP1 pid=9) ERROR 11-21 [multiproc_executor.py:1] "
STARTED = "INFO:     Application startup complete."
DIED = "CRITICAL 11-21 [core_client.py:1] Got fatal signal from worker processes, shutting down."
WAITS = "(Worker pid={0}) INFO 11-21 [parallel_state.py:1] world_size=4 rank={0} local_rank=0 "
MEETS = WAITS + "distributed_init_method=tcp://10.1.0.3:29500 backend=nccl"


def read(*lines: str, name: str = "0.log") -> VllmLog:
    reader = VllmReader(name)
    for number, line in enumerate(lines, 1):
        reader.line(number, None, line)
    return reader.result()


def told(*lines: str) -> VllmPart:
    return vllm_part(read(*lines))


def root(*lines: str) -> tuple[str, int | None, str]:
    found = told(*lines).root
    assert found is not None
    return found.id, found.line, found.says


def test_every_failure_of_the_engine_has_a_meaning_and_one_remedy() -> None:
    assert {p.id for p in PHRASES} <= set(ENGINE)
    assert {p.id for p in PHRASES} >= GENERIC | FOLLOWS
    for known in ENGINE.values():
        assert known.remedy.endswith(".")
        assert len(re.findall(r"\.(?: |$)", known.remedy)) == 1, known.remedy


@pytest.mark.parametrize("one", EXCEPTIONS, ids=lambda e: e.example)
def test_words_of_an_exception_tell_more_than_that_there_is_one(one: object) -> None:
    example, cause = one.example, one.cause  # type: ignore[attr-defined]
    assert engine_cause("exception", example) is cause
    assert [f.says for f in told(f"{CORE}{example}").failures] == [example]


def test_a_crash_after_the_start_is_fatal_and_its_exception_is_the_cause() -> None:
    part = told(STARTED, f"{CORE}ModuleNotFoundError: No module named 'left_pad'", DIED)
    (fatal,) = (f for f in part.failures if f.fatal)
    assert part.started is True
    assert (fatal.id, fatal.line) == ("engine_dead", 3)
    assert fatal.cause == part.root
    assert part.root is not None
    assert (part.root.line, part.root.means) == (2, EXCEPTIONS[1].cause.means)


def test_a_traceback_after_the_words_that_open_it_is_the_cause() -> None:
    lines = ["x"] * 200
    failed = (f"{CORE}EngineCore failed to start.", *lines, f"{CORE}RuntimeError: it is invalid")
    closing = "RuntimeError: Engine core initialization failed. See root cause above."
    assert root(*failed, *lines, closing) == ("exception", 202, "RuntimeError: it is invalid")
    assert told(*failed, *lines, closing).failures[-1].cause is not None


def test_the_engines_own_reason_is_its_root_and_not_what_follows() -> None:
    reason = "ValueError: To serve at least one request with the model it needs 3.81 GiB"
    opened = f"{CORE}EngineCore failed to start."
    assert root(opened, f"{CORE}{reason}", DIED) == ("kv_too_small", 2, reason)


def test_a_worker_that_fails_without_words_is_told_by_its_assertion() -> None:
    hit = f"{WORKER}WorkerProc hit an exception."
    frames = (f"{WORKER}    raise AssertionError", f"{WORKER}    assert x is not None")
    found = root(STARTED, hit, *frames, f"{WORKER}AssertionError", f"{CORE}KeyError: 'cmpl'")
    assert found == ("exception", 5, "AssertionError")


def test_a_crash_in_native_code_comes_before_what_the_engine_says_of_it() -> None:
    died = f"{CORE}Worker proc VllmWorker-0 died unexpectedly (exit code: None), shutting down."
    lines = ("!!!!!!! Segfault encountered !!!!!!!", *["  frame"] * 300, died)
    cancelled = (f"{CORE}EngineCore encountered a fatal error.", f"{CORE}RuntimeError: cancelled")
    assert root(STARTED, *lines, *cancelled)[:2] == ("process_crashed", 2)


def test_an_exception_that_only_passes_a_failure_on_is_no_cause() -> None:
    passed = f"{CORE}RuntimeError: Worker failed, please check the stack trace above for the cause"
    part = told(f"{CORE}EngineCore encountered a fatal error.", passed)
    assert part.root is not None
    assert part.root.id == "engine_dead"


def test_another_ranks_failure_is_not_the_root_where_a_cause_is_seen() -> None:
    nccl = f"{WORKER}RuntimeError: NCCL error: remote process exited"
    full = f"{WORKER}torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    assert root(nccl, full)[0] == "out_of_memory"
    assert root(nccl)[0] == "nccl"


def test_a_requests_exception_long_before_is_not_the_cause() -> None:
    request = "ValueError: this request is too long"
    assert root(request, *["x"] * 200, DIED)[0] == "engine_dead"


def test_an_exception_of_another_file_is_not_the_cause() -> None:
    other = read("ValueError: of another pod", name="1.log")
    part = vllm_part(merge([read("x", DIED), other]))
    assert part.root is not None
    assert part.root.id == "engine_dead"


@pytest.mark.parametrize(
    ("line", "means"),
    [
        (f"{WORKER}    self.remote_socket.bind(socket_addr)", "binding failed"),
        ("Process VLLM_DP_Coordinator:", "the coordinator of the data-parallel engines ended"),
    ],
)
def test_a_log_that_stops_before_the_error_says_so(line: str, means: str) -> None:
    (one,) = told(line).failures
    assert one.means == f"{means}; {UNSEEN}"
    whole = told(line, "zmq.error.ZMQError: Address already in use (addr='tcp://10.1.0.3:5555')")
    assert whole.root is not None
    assert whole.root.id == "port_in_use"
    assert UNSEEN not in whole.failures[0].means


def test_a_rank_alone_at_the_rendezvous_waits_for_those_without_a_line() -> None:
    part = told(MEETS.format(0))
    (one,) = part.failures
    assert (one.id, one.fatal, one.line) == ("waiting_for_ranks", False, 1)
    assert one.means == "rank 0 of 4 waits at tcp://10.1.0.3:29500; no line of ranks 1 to 3"
    assert part.root is None
    (three,) = told(*(MEETS.format(r) for r in range(3))).failures
    assert three.means == "3 of 4 wait at tcp://10.1.0.3:29500; no line of rank 3"


@pytest.mark.parametrize(
    "lines",
    [
        [MEETS.format(r) for r in range(4)],
        [MEETS.format(0), STARTED],
        [f"{MEETS.format(0)} [repeated 4x across cluster]"],
        [MEETS.format(0), f"{WORKER}rank 0 in world size 4 is assigned as DP rank 0, TP rank 0"],
        ["INFO 11-21 world_size=1 rank=0 distributed_init_method=file:///tmp/x backend=nccl"],
    ],
    ids=["all there", "started", "folded", "placed", "alone"],
)
def test_nobody_waits_where_others_may_be_there(lines: list[str]) -> None:
    assert told(*lines).failures == ()


def test_two_addresses_are_two_worlds_that_wait() -> None:
    other = MEETS.format(1).replace("10.1.0.3", "10.1.0.4")
    assert [f.line for f in told(MEETS.format(0), other).failures] == [1, 2]


def test_a_rank_that_failed_does_not_wait() -> None:
    found = told(MEETS.format(0), f"{WORKER}WorkerProc failed to start.").failures
    assert [f.id for f in found] == ["worker_init"]


RAY = "(RayWorkerWrapper pid=7) INFO 11-21 [pynccl.py:1] rank 0 in world size 16 is assigned as TP"
ENGINE_LINE = (
    "Initializing a V1 LLM engine (v0.14.0) with config: model='m', tensor_parallel_size={},"
    " pipeline_parallel_size=1, device_config={}"
)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (RAY, "/tmp/ray/session_latest/logs/worker-*.out"),
        (RAY.replace("RayWorkerWrapper", "DPEngineCoreActor"), "/tmp/ray/session_latest"),
        (ENGINE_LINE.format(1, "cuda"), "One rank"),
        (ENGINE_LINE.format(2, "cpu"), "backend=gloo"),
        (MEETS.format(0).replace("nccl", "gloo"), "backend=gloo"),
        ("INFO 11-21 [model_runner_v1.py:9] Starting to load model org/m...", "backend=hccl"),
    ],
)
def test_logs_without_nccl_lines_get_advice_that_fits_the_engine(line: str, says: str) -> None:
    advice = nccl_advice(told(line), None)
    assert advice is not None
    assert says in advice


def test_an_engine_of_several_ranks_has_no_advice_of_its_own() -> None:
    assert nccl_advice(told(ENGINE_LINE.format(2, "cuda")), None) is None
    assert nccl_advice(told(MEETS.format(0)), EngineLog(tp=8, pp=1)) is None
    assert nccl_advice(told(), EngineLog(world_size=1)) == "One rank: NCCL has nothing to say."


@given(st.lists(st.sampled_from([*(p.words for p in PHRASES), "ValueError: x", "y above"])))
def test_any_order_of_failures_has_one_root_where_one_is_fatal(said: list[str]) -> None:
    part = told(*(f"RuntimeError: {words}" for words in said))
    assert (part.root is not None) == any(f.fatal for f in part.failures)
    for one in part.failures:
        assert one.means
        assert one.cause is None or one.cause.source != one.source


@given(st.lists(st.text(max_size=120) | st.integers().map(MEETS.format), max_size=9))
def test_no_text_makes_it_raise(lines: list[str]) -> None:
    assert isinstance(told(*lines), VllmPart)
