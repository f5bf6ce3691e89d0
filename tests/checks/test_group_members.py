"""GROUP001: every pod is there and runs, or the first reason why not, with its place."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.cluster.every_pod_runs import every_pod_runs
from distcheck.checks.evidence import Evidence, Target, Trouble
from distcheck.checks.verdict import Verdict

GOOD = healthy()
TARGET = Target("llm", "Pod", "vllm-head-0", size=2, size_from="spec of sts/vllm-worker")
NO_GPU = Trouble("vllm-worker-0", "pod_unschedulable", "no node fits: no free GPU",
                 "condition PodScheduled of vllm-worker-0", "2026-01-15T09:29:00Z")  # fmt: skip
WAITS = Trouble("vllm-worker-1", "waiting_for_head", "wait-gcs-ready", "status of vllm-worker-1")
AGAIN = Trouble("vllm-worker-0", "pod_restarted", "started again", "status of vllm-worker-0")


def judged(evidence: Evidence, *troubles: Trouble, **target: object) -> Verdict:
    there = structs.replace(TARGET, **target)
    changed = structs.replace(evidence, target=there, troubles=troubles)
    return every_pod_runs.judge_evidence(changed)


def with_pod(**changes: object) -> Evidence:
    first, second = GOOD.pods
    return structs.replace(GOOD, pods=(first, structs.replace(second, **changes)))


def test_a_whole_group_that_runs_passes_and_cites_each_pods_status() -> None:
    verdict = judged(GOOD)
    assert verdict.outcome == "pass"
    assert verdict.subjects == ("vllm-head-0", "vllm-worker-0")
    assert [c.source for c in verdict.cites] == [
        "/api/v1/namespaces/llm/pods/vllm-head-0 status",
        "/api/v1/namespaces/llm/pods/vllm-worker-0 status",
        "spec of sts/vllm-worker",
    ]


def test_a_pod_without_a_node_fails_with_the_schedulers_words() -> None:
    verdict = judged(with_pod(phase="Pending", node=None), NO_GPU)
    assert (verdict.outcome, verdict.cause) == ("fail", "pod_unschedulable")
    assert "1 of 2 pods run: vllm-worker-0: no node fits" in verdict.says
    assert verdict.cites[0].source == "condition PodScheduled of vllm-worker-0"


def test_what_waits_for_another_pod_is_told_after_it() -> None:
    verdict = judged(with_pod(phase="Pending"), WAITS, NO_GPU)
    assert (verdict.cause, verdict.subjects) == (
        "pod_unschedulable", ("vllm-worker-0", "vllm-worker-1"))  # fmt: skip


@pytest.mark.parametrize("cause", ["waiting_for_head", "starting"])
def test_what_only_takes_time_decides_nothing(cause: str) -> None:
    verdict = judged(with_pod(phase="Pending"), structs.replace(WAITS, cause=cause))
    assert (verdict.outcome, verdict.cause) == ("unknown", cause)


def test_a_restart_behind_the_group_is_a_warning() -> None:
    verdict = judged(GOOD, AGAIN)
    assert (verdict.outcome, verdict.cause) == ("warn", "pod_restarted")
    assert verdict.says.startswith("2 of 2 pods run: ")


def test_a_pod_that_is_not_ready_is_a_warning() -> None:
    verdict = judged(with_pod(ready=False))
    assert (verdict.outcome, verdict.cause) == ("warn", "not_ready")


def test_a_group_without_any_pod_fails_with_why() -> None:
    nothing = structs.replace(GOOD, pods=(), nodes=())
    verdict = judged(nothing, structs.replace(NO_GPU, cause="pod_missing"))
    assert (verdict.outcome, verdict.cause) == ("fail", "pod_missing")


def test_a_number_that_could_not_be_read_is_no_pass() -> None:
    verdict = judged(GOOD, size=None, size_from="raycluster/x could not be read")
    assert verdict.outcome == "unknown"
    assert "raycluster/x could not be read" in verdict.says


def test_evidence_that_says_no_number_is_no_pass() -> None:
    verdict = judged(GOOD, size=None, size_from="")
    assert "does not say how many pods" in verdict.says


def test_fewer_pods_than_asked_for_without_a_reason_is_no_pass() -> None:
    verdict = judged(structs.replace(GOOD, pods=GOOD.pods[:1]))
    assert (verdict.outcome, "1 of 2 pods" in verdict.says) == ("unknown", True)


def test_a_pod_whose_phase_was_not_told_is_no_pass() -> None:
    assert judged(with_pod(phase="")).outcome == "unknown"


def test_many_pods_are_counted_and_four_are_named() -> None:
    many = [structs.replace(NO_GPU, pod=f"vllm-worker-{i}") for i in range(9)]
    verdict = judged(GOOD, *many, size=10)
    assert verdict.says.endswith("and 5 more")
    assert len(verdict.subjects) == 9


def test_a_pod_that_was_started_again_just_now_is_a_warning() -> None:
    seen = structs.replace(with_pod(restarts=57, started_at="2026-01-15T09:29:55Z"),
                           observed_at="2026-01-15T09:30:00Z")  # fmt: skip
    verdict = judged(seen)
    assert (verdict.outcome, verdict.cause) == ("warn", "pod_restarted")
    assert "started again at 2026-01-15T09:29:55Z, 57 restarts so far" in verdict.says


@pytest.mark.parametrize("at", ["2026-01-15T09:00:00Z", None, "soon", "2026-01-15T10:00:00Z"])
def test_restarts_of_another_time_pass_and_are_said(at: str | None) -> None:
    seen = structs.replace(with_pod(restarts=3, started_at=at), observed_at="2026-01-15T09:30:00Z")
    verdict = judged(seen)
    assert verdict.outcome == "pass"
    assert verdict.says.endswith("; earlier restarts: vllm-worker-0 (3)")
