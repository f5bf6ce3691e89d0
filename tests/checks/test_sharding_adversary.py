"""SHARD001 and SHARD002 on evidence that looks healthy and is not."""

import pytest
from msgspec.structs import replace
from tests.checks.test_sharding import (
    HEALTHY,
    LLAMA_70B,
    PODS,
    TP8,
    TP8_PP2,
    TP16,
    UNSEEN,
    group,
    judged,
    pod_log,
    worker_file,
)

from distcheck.agent.logs.vllm import merge
from distcheck.checks.check import Check
from distcheck.checks.evidence import (
    Evidence,
    GpuDevice,
    GpuProcess,
    Gpus,
    ModelConfig,
    Process,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.vllm import EngineFailure, RankLine, WeightsLine
from distcheck.checks.facts.engine_lines import seconds_of
from distcheck.checks.facts.engine_worlds import EngineWorld
from distcheck.checks.knowledge.weights import Layout, stage_weights
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights

BOTH = pytest.mark.parametrize("one", [share_of_weights, one_world])
FATAL = EngineFailure("engine-died", "Engine core initialization failed", "head.log:90")


def with_head(log: VllmLog) -> Evidence:
    return group(log, HEALTHY[1])


@BOTH
def test_an_engine_that_says_it_failed_is_no_pass(one: Check) -> None:
    verdict = judged(one, with_head(replace(HEALTHY[0], failures=(FATAL,), started=False)))
    assert verdict.outcome == "unknown"
    assert "Engine core initialization failed (head.log:90)" in verdict.says
    assert any(c.source == "head.log:90" for c in verdict.cites)


@BOTH
def test_a_failure_before_a_later_start_does_not_count(one: Check) -> None:
    log = replace(HEALTHY[0], failures=(FATAL,), started=True, started_source="head.log:300")
    assert judged(one, with_head(log)).outcome == "pass"
    log = replace(log, started_source="head.log:20")
    assert judged(one, with_head(log)).outcome == "unknown"


@BOTH
def test_a_pod_that_is_not_running_is_no_pass(one: Check) -> None:
    evidence = group(*HEALTHY)
    pods = (PODS[0], replace(PODS[1], phase="Failed"))
    verdict = judged(one, replace(evidence, pods=pods))
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0 is Failed" in verdict.says


def test_another_layout_of_the_same_product_is_a_failure() -> None:
    verdict = judged(one_world, group(*HEALTHY, tp=8, pp=2))
    assert (verdict.outcome, verdict.cause) == ("fail", "world_split")
    assert judged(share_of_weights, group(*HEALTHY, tp=8, pp=2)).outcome == "fail"


def test_an_engine_configured_otherwise_is_a_failure() -> None:
    verdict = judged(one_world, with_head(replace(HEALTHY[0], tp=8, pp=2)))
    assert verdict.outcome == "fail"
    assert "configured with TP=8, PP=2" in verdict.says


def test_sixteen_ranks_of_one_stage_are_not_two_stages() -> None:
    weights = tuple(WeightsLine(TP8_PP2, f"w.log:{r}", pp=0, pid=400 + r) for r in range(8))
    log = VllmLog(weights=weights)
    verdict = judged(share_of_weights, group(log, log, tp=8, pp=2))
    assert verdict.outcome == "unknown"
    assert "16 of stage 0" in verdict.says


@pytest.mark.parametrize("clock", ["", "99-99 99:99:99", "yesterday", "0a-0b 12:00:00"])
def test_a_clock_that_is_none_is_zero_seconds(clock: str) -> None:
    assert seconds_of(clock) == 0


def test_sizes_out_of_bounds_raise_nothing() -> None:
    assert not EngineWorld(10**9, ()).complete
    line = WeightsLine(TP16, "w.log:1", rank=0, pp=-1)
    log = VllmLog(weights=(line,), ranks=(RankLine(0, 10**9, "w.log:2"),))
    evidence = group(log, UNSEEN)
    evidence = replace(evidence, intent=replace(evidence.intent, dp=10**9))
    assert judged(share_of_weights, evidence).outcome != "pass"
    assert judged(one_world, evidence).outcome != "pass"


def test_a_model_of_a_billion_layers_is_not_plausible() -> None:
    found = stage_weights({**LLAMA_70B, "num_hidden_layers": 10**9}, Layout(16))
    assert "not a plausible model" in getattr(found, "reason", "")


def gpus(pod: int, uuids: list[str], devices: int = 8) -> Gpus:
    first = 400 + 8 * pod
    held = [GpuProcess(u, first + i, 70 << 30, PODS[pod].key) for i, u in enumerate(uuids)]
    return Gpus(tuple(GpuDevice(f"GPU-{i}", i) for i in range(devices)), tuple(held))


def test_lines_of_an_old_start_do_not_fill_the_gap_of_the_live_one() -> None:
    old = [worker_file(r, 16, TP16, pid=100 + r, at="11:00:00") for r in range(4)]
    new = [worker_file(r, 16, TP16) for r in range(4, 8)]
    for seen in (UNSEEN, gpus(0, [f"GPU-{i}" for i in range(8)])):
        verdict = judged(
            share_of_weights, group(merge([*old, *new]), HEALTHY[1], gpus=(seen, UNSEEN))
        )
        assert "weights of 4 of 8 GPUs of vllm-head-0" in verdict.says


def test_one_gpu_that_holds_all_ranks_is_no_pass() -> None:
    verdict = judged(share_of_weights, group(*HEALTHY, gpus=(gpus(0, ["GPU-0"] * 8), UNSEEN)))
    assert verdict.outcome == "unknown"
    assert "8 ranks of vllm-head-0 are on one GPU, GPU-0" in verdict.says


def test_fewer_gpus_than_the_pod_asks_for_is_no_pass() -> None:
    few = gpus(0, [f"GPU-{i}" for i in range(8)], devices=4)
    verdict = judged(share_of_weights, group(*HEALTHY, gpus=(few, UNSEEN)))
    assert "4 GPUs are on gpu-a, where vllm-head-0 has 8" in verdict.says


def test_a_rank_that_speaks_twice_is_named_and_speaks_against_one_world() -> None:
    again = merge([*(worker_file(r, 16, TP16) for r in range(7)), worker_file(0, 16, TP16, pid=99)])
    verdict = judged(share_of_weights, group(again, HEALTHY[1]))
    assert verdict.outcome == "unknown"
    assert "rank 0 spoke 2 times" in verdict.says
    assert judged(one_world, group(again, HEALTHY[1])).outcome == "fail"


def test_lines_that_nothing_tells_apart_may_be_copies() -> None:
    log = VllmLog(weights=tuple(WeightsLine(TP16, f"{i}.log:1") for i in range(8)))
    verdict = judged(share_of_weights, group(log, HEALTHY[1]))
    assert verdict.outcome == "unknown"
    assert "may be copies of one" in verdict.says


def test_two_meeting_points_of_one_wanted_world_are_a_split() -> None:
    logs = [
        pod_log(range(8 * i, 8 * i + 8), 16, TP16, init=f"tcp://127.77.0.{i + 2}:29500")
        for i in range(2)
    ]
    assert judged(one_world, group(*logs)).cause == "world_split"


def test_eight_gpus_where_sixteen_ranks_are_asked_for_is_no_pass() -> None:
    evidence = group(HEALTHY[0], UNSEEN)
    intent = replace(evidence.intent, gpus=8)
    evidence = replace(evidence, intent=intent, pods=PODS[:1], nodes=evidence.nodes[:1])
    verdict = judged(share_of_weights, evidence)
    assert verdict.outcome == "unknown"
    assert "8 of 16 GPUs hold" in verdict.says


@BOTH
def test_lines_that_were_dropped_are_a_gap(one: Check) -> None:
    assert judged(one, with_head(replace(HEALTHY[0], dropped=3))).outcome == "unknown"


def test_two_pods_with_different_models_are_a_gap() -> None:
    evidence = group(*HEALTHY)
    node = evidence.nodes[1]
    other = ModelConfig("/models/llama/config.json", {**LLAMA_70B, "eos_token_id": 2})
    node = replace(node, pods=(replace(node.pods[0], model=other),))
    verdict = judged(share_of_weights, replace(evidence, nodes=(evidence.nodes[0], node)))
    assert verdict.outcome == "unknown"
    assert "config.json differs" in verdict.says


def test_the_replicated_group_still_fails_on_its_layout() -> None:
    logs = [pod_log(range(8), 8, TP8) for _ in PODS]
    assert judged(share_of_weights, group(*logs)).cause == "replicated"


def test_lines_days_older_than_every_worker_process_are_left_out() -> None:
    evidence = group(*HEALTHY)
    node = evidence.nodes[0]
    for started, outcome in (("2025-09-18T23:00:00Z", "pass"), ("2025-09-21T12:00:00Z", "unknown")):
        worker = Process(7, "VLLM::Worker_TP0", started_at=started)
        pod = replace(node.pods[0], processes=Processes((worker,)))
        seen = replace(evidence, nodes=(replace(node, pods=(pod,)), evidence.nodes[1]))
        assert judged(share_of_weights, seen).outcome == outcome
