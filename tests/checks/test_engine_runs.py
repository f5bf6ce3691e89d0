"""GROUP003: the engine serves, or what it ended of."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.evidence_builder import AT, GIB, change_looks, healthy

from distcheck.agent.logs.distil import Distiller
from distcheck.checks.cluster.engine_runs import engine_runs
from distcheck.checks.evidence import (
    Evidence,
    GpuProcess,
    Gpus,
    Missing,
    NcclLog,
    PodLook,
    Process,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.gpu import Owner
from distcheck.checks.evidence.nccl import Failure as NcclFailure
from distcheck.checks.evidence.serving import EngineArguments, EngineHttp, ServedModel
from distcheck.checks.evidence.vllm import EngineFailure
from distcheck.checks.judging import judge
from distcheck.checks.nccl.no_failure import no_failure
from distcheck.checks.verdict import Verdict

EARLY, LATE = "2026-01-15T09:21:00Z", "2026-01-15T09:25:00Z"


def log(*failures: EngineFailure, started: bool | None = None) -> VllmLog:
    """The lines of one pod's engine."""
    return VllmLog(
        lines=9,
        started=started,
        started_source="vllm/0.log:90" if started else None,
        failures=failures,
    )


def failure(name: str, says: str, line: int = 50, *, fatal: bool = True) -> EngineFailure:
    """A line by which the engine says that it failed."""
    return EngineFailure(name, says, f"vllm/0.log:{line}", fatal, EARLY)


OOM = failure("out_of_memory", "CUDA out of memory. Tried to allocate 448.00 MiB.")


def judged(change: Callable[[PodLook], PodLook], evidence: Evidence | None = None) -> Verdict:
    """The verdict, with `change` made to the head's look and nothing of the engine elsewhere."""

    def one(look: PodLook) -> PodLook:
        bare = structs.replace(look, vllm=log(), engine_http=Missing("not asked"))
        return change(bare) if look.pod.endswith("head-0") else bare

    return engine_runs.judge_evidence(change_looks(evidence or healthy(), one))


def with_log(written: VllmLog) -> Callable[[PodLook], PodLook]:
    """A head whose log is `written`."""
    return lambda look: structs.replace(look, vllm=written)


def server(started_at: str, *words: str) -> EngineArguments:
    """A vLLM server that runs in the pod."""
    return EngineArguments(pid=1000, words=("vllm", "serve", *words), started_at=started_at)


def test_an_engine_that_answers_over_http_runs() -> None:
    """Its answer is cited."""
    http = EngineHttp(1000, "10.0.0.2:8000", "0.10.2", (ServedModel("llama"),), seen_at=AT)
    verdict = judged(lambda look: structs.replace(look, engine_http=http))
    assert verdict.outcome == "pass"
    assert [c.source for c in verdict.cites] == ["10.0.0.2:8000"]


def test_an_engine_that_says_that_it_started_runs() -> None:
    """Its line is cited."""
    verdict = judged(with_log(log(started=True)))
    assert (verdict.outcome, verdict.cites[0].source) == ("pass", "vllm/0.log:90")


def test_an_engine_that_ran_out_of_memory_ended_of_that() -> None:
    """The words that came after it are not the cause."""
    after = failure("engine_init", "EngineCore failed to start.", 60)
    verdict = judged(with_log(log(OOM, after)))
    assert (verdict.outcome, verdict.cause) == ("fail", "out_of_memory")
    assert "448.00 MiB" in verdict.says
    assert verdict.subjects == ("vllm-head-0",)


def test_a_start_after_the_failure_mends_it() -> None:
    """The log goes on to a start."""
    assert judged(with_log(log(OOM, started=True))).outcome == "pass"


def test_an_end_after_the_start_is_an_end() -> None:
    """An engine that died leaves the line of its start in the log."""
    dead = failure("engine_dead", "EngineDeadError", 400)
    assert judged(with_log(log(dead, started=True))).cause == "engine_dead"


def test_a_server_that_is_younger_than_the_failure_starts_again() -> None:
    """Neither failed nor serving: time will tell."""
    verdict = judged(lambda look: structs.replace(look, vllm=log(OOM), arguments=server(LATE)))
    assert verdict.outcome == "unknown"
    assert "starts again" in verdict.says


def test_a_server_that_says_nothing_yet_is_unknown() -> None:
    """It may be loading."""
    verdict = judged(lambda look: structs.replace(look, arguments=server(EARLY)))
    assert verdict.outcome == "unknown"
    assert "vllm-head-0" in verdict.says


def test_a_headless_server_is_not_waited_for() -> None:
    """Nobody asks the second node of a group for an answer."""

    def change(look: PodLook) -> PodLook:
        served = log(started=True) if look.pod.endswith("head-0") else log()
        return structs.replace(look, vllm=served, arguments=server(EARLY, "--headless"))

    assert engine_runs.judge_evidence(change_looks(healthy(), change)).outcome == "pass"


def test_without_a_log_and_an_answer_it_is_unknown_why() -> None:
    """Silence is no health."""
    verdict = judged(lambda look: look)
    assert verdict.outcome == "unknown"
    assert "no log shows an engine" in verdict.says


@pytest.mark.parametrize(
    ("name", "says", "part"),
    [
        ("kv_too_small", "To serve at least one request", "KV cache cannot hold one request"),
        ("too_few_gpus", "World size (16) is larger than", "more ranks are asked for than GPUs"),
        ("port_in_use", "Address already in use", "a port that vLLM wants"),
    ],
)
def test_each_failure_has_its_meaning_and_remedy(name: str, says: str, part: str) -> None:
    """From the one table of the engine's failures."""
    verdict = judged(with_log(log(failure(name, says))))
    assert verdict.cause == name
    assert part in verdict.says
    assert verdict.remedy


@pytest.mark.parametrize("owner", ["node", "pod"])
def test_who_holds_the_memory_is_named(owner: Owner) -> None:
    """A process of the node itself, or of a pod that is not of the group."""
    evidence = healthy()
    pod = "another pod" if owner == "pod" else None
    gpus = evidence.nodes[0].gpus
    assert isinstance(gpus, Gpus)
    held = GpuProcess(gpus.devices[0].uuid, 77, 40 * GIB, pod, owner=owner)
    seen = structs.replace(gpus, processes=(held,))
    nodes = (structs.replace(evidence.nodes[0], gpus=seen), *evidence.nodes[1:])
    taken = failure("gpu_memory_taken", "Free memory on device (38.68/79.18 GiB) on startup")
    verdict = judged(with_log(log(taken)), structs.replace(evidence, nodes=nodes))
    assert "(pid 77) holds 40.0 GiB" in verdict.says
    assert verdict.cites[-1].source == "NVML on gpu-0"


def test_memory_of_the_group_itself_names_nobody_else() -> None:
    """The ranks' own memory is no tenant's."""
    verdict = judged(with_log(log(OOM)))
    assert "holds" not in verdict.says


def test_where_nccl_names_the_cause_the_engine_points_to_it() -> None:
    """It is told once, and first."""
    evidence = _failed_in_nccl()
    report = judge(evidence, (engine_runs, no_failure)).report
    told = {f.id: f for f in report.checks}
    assert told["GROUP003"].cause == "nccl"
    assert "NCCL004 has the cause" in told["GROUP003"].says
    assert report.summary.startswith("NCCL004")


@pytest.mark.parametrize("cause", ["out_of_memory", "kv_too_small", "process_crashed"])
def test_an_engines_own_end_is_told_before_the_nccl_of_its_peers(cause: str) -> None:
    """A peer that died is why NCCL was refused, and the peer that waited for it ended later."""
    evidence = _failed_in_nccl(own=failure(cause, "its own words"))
    report = judge(evidence, (no_failure, engine_runs)).report
    assert report.summary.startswith("GROUP003: the engine of vllm-worker-0 ended")
    assert [(f.id, f.cause) for f in report.checks][1] == ("GROUP003", cause)


@pytest.mark.parametrize("cause", ["collective_timeout", "worker_died", "exception"])
def test_an_end_that_may_follow_from_nccl_is_told_after_it(cause: str) -> None:
    """Its words do not say what was first."""
    report = judge(_failed_in_nccl(cause), (no_failure, engine_runs)).report
    assert report.summary.startswith("NCCL004")


def _failed_in_nccl(ends: str = "nccl", own: EngineFailure | None = None) -> Evidence:
    waited = failure(ends, "RuntimeError: NCCL error: unhandled system error")

    def change(look: PodLook) -> PodLook:
        said = waited if own is None or look.pod.endswith("head-0") else own
        nccl = look.nccl
        assert isinstance(nccl, NcclLog)
        host = nccl.communicators[0].ranks[0].host
        broken = NcclFailure("shm-no-space", True, "failed to extend", "vllm/0.log:40", 40, host)
        return structs.replace(look, vllm=log(said), nccl=structs.replace(nccl, failures=(broken,)))

    return change_looks(healthy(), change)


BANNER = "INFO [api_server.py:1] vLLM API server version 0.10.2"
CONFIG = "INFO [core.py:75] Initializing a V1 LLM engine (v0.10.2) with config: model='m',"
UP = "(APIServer pid=1) INFO:     Application startup complete."
REFUSED = Missing("10.0.0.2:8000 (pid 1): /version: Connection refused")
SHELL = Processes((Process(1, "bash", 0, ("bash", "/start.sh"), EARLY),), {}, AT)
HTTP = EngineHttp(1000, "10.0.0.2:8000", "0.10.2", (ServedModel("llama"),), seen_at=AT)


def read(*lines: str) -> Callable[[PodLook], PodLook]:
    """A head whose log has these lines, written at `EARLY`."""
    distiller = Distiller("vllm/0.log")
    distiller.feed("".join(f"{EARLY} stdout F {line}\n" for line in lines).encode())
    seen = distiller.finish()
    return lambda look: structs.replace(look, vllm=seen.vllm, engine=seen.engine)


def after(*lines: str, **changes: object) -> Verdict:
    """The verdict on an engine that started and then wrote `lines`."""
    seen = read(BANNER, CONFIG, UP, *lines)
    return judged(lambda look: structs.replace(seen(look), **changes))


@pytest.mark.parametrize(
    "line",
    [
        "ERROR [core_client.py:562] Engine core proc EngineCore_DP0 died unexpectedly, shutting",
        "ERROR [core_client.py:562] Engine core proc EngineCore_DP1 died unexpectedly",
    ],
)
def test_an_engine_core_that_died_is_an_end(line: str) -> None:
    """The whole server goes with it."""
    assert after(line).cause == "engine_dead"


def test_a_server_that_shut_down_does_not_serve() -> None:
    """It was asked to: no failure, and no pass."""
    verdict = after("INFO:     Shutting down", "INFO:     Application shutdown complete.")
    assert verdict.outcome == "unknown"
    assert "its server shut down (vllm/0.log:5)" in verdict.says


def test_a_start_after_a_shutdown_serves() -> None:
    """A shell that starts it again."""
    down = "INFO:     Application shutdown complete."
    assert after(down, BANNER, CONFIG, UP).outcome == "pass"


def test_a_second_start_in_the_same_log_has_to_come_to_its_end() -> None:
    """The line of the first start is of a process that has gone."""
    verdict = after(BANNER, CONFIG, arguments=server(LATE))
    assert verdict.outcome == "unknown"
    assert "has not said that it serves" in verdict.says


def test_a_server_younger_than_the_line_of_the_start_has_not_started() -> None:
    """Its own banner may be lost, or not yet written."""
    verdict = after(arguments=server(LATE))
    assert (verdict.outcome, "younger" in verdict.says) == ("unknown", True)


def test_a_server_that_does_not_answer_is_not_said_to_serve() -> None:
    """Asked, and refused: the log's word is old."""
    assert "Connection refused" in after(engine_http=REFUSED).says
    assert after(engine_http=Missing("no server of this pod has an HTTP port")).outcome == "pass"


def test_a_pod_without_any_process_of_an_engine_serves_nothing() -> None:
    """`57 Killed  vllm serve`, says its shell; it may sleep now."""
    verdict = after("/start.sh: line 12:    57 Killed      vllm serve m", processes=SHELL)
    assert "no process of an engine runs" in verdict.says
    assert verdict.outcome == "unknown"


DEAD = "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue."
WORDS = (
    "WARNING [prometheus.py:30] [Errno 98] Address already in use, using the next port",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
)


@pytest.mark.parametrize("line", WORDS)
def test_words_of_a_start_or_a_request_are_no_end_of_an_engine_that_answers(line: str) -> None:
    """Another listener's port, or memory for an adapter."""
    assert after(line, engine_http=HTTP).outcome == "pass"
    assert after(line).outcome == "unknown"


@pytest.mark.parametrize("line", WORDS)
def test_such_words_are_the_cause_where_a_closing_word_follows(line: str) -> None:
    """The engine says itself that it is down."""
    ended = after(
        line, "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue"
    )
    assert ended.cause in ("port_in_use", "out_of_memory")
    assert after(line, "INFO:     Application shutdown complete.").outcome == "fail"


def test_a_server_that_answers_after_its_engine_died_is_unknown() -> None:
    """`/version` needs no engine."""
    assert after(DEAD, engine_http=HTTP).outcome == "unknown"
    assert after(DEAD, engine_http=HTTP, arguments=server(LATE)).outcome == "pass"


SGLANG = (
    "[2026-01-15 09:00:00] server_args=ServerArgs(model_path='m', tp_size=8)",
    "[2026-01-15 09:10:00] The server is fired up and ready to roll!",
)


def test_an_sglang_scheduler_that_failed_ended_of_what_it_raised() -> None:
    """The exception stands behind the words that open it."""
    verdict = judged(
        read(
            *SGLANG,
            "[2026-01-15 10:10:00 TP3] Scheduler hit an exception: Traceback (most recent call",
            "RuntimeError: CUDA error: an illegal memory access was encountered",
            "[2026-01-15 10:10:00] Received sigquit from a child process. It usually means",
        )
    )
    assert verdict.outcome == "fail"
    assert "illegal memory access" in verdict.says


def test_an_sglang_that_starts_again_does_not_serve_yet() -> None:
    """Its arguments come first."""
    assert judged(read(*SGLANG)).outcome == "pass"
    assert judged(read(*SGLANG, SGLANG[0])).outcome == "unknown"


@pytest.mark.parametrize(
    "line", ["Hang detected on rank 3 in PyExecutor.", "Error in event loop: CUDA error"]
)
def test_a_tensorrt_llm_that_hangs_or_fails_has_ended(line: str) -> None:
    """Only its own lines count: other programs have event loops too."""
    assert judged(read(UP, f"[01/15/2026-10:10:00] [TRT-LLM] [E] {line}")).outcome == "fail"
    assert judged(read(UP, f"ERROR other.py: {line}")).outcome == "pass"
