"""How SHARD001 to SHARD004 put what they found: no more than was seen, and in plain numbers."""

import pytest
from msgspec.structs import replace
from tests.checks import sharding_circumstances as beside
from tests.checks.sharding_groups import (
    NO_LOGS,
    Running,
    Truth,
    evidence_of,
    gpus_of,
    with_look,
    with_node,
    with_processes,
)

from distcheck.checks.evidence import Evidence, Missing, RayCluster, VllmLog
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.weights import GIB, Layout
from distcheck.checks.sharding.balanced_memory import balanced_memory
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.checks.verdict import Verdict

LLAMA, FP8 = "llama-3.1-70b", "llama-3.1-405b-fp8"
ONE = Truth(model=LLAMA, asked=Layout(16), engines=(Running(layout=Layout(16)),))
HALVES = (Running(layout=Layout(8)), Running(layout=Layout(8), first=8))
TWO = Truth(model=LLAMA, asked=Layout(16), engines=HALVES)
ALONE = Truth(model="llama-3.1-8b", asked=Layout(1), engines=(Running(layout=Layout(1)),), nodes=1)
EVERY = (share_of_weights, one_world, balanced_memory, one_rank_a_gpu)


def weights(evidence: Evidence) -> Verdict:
    return share_of_weights.judge_evidence(evidence)


def test_half_a_group_that_holds_too_much_is_not_called_two_copies() -> None:
    verdict = weights(evidence_of(TWO, ("last-node",)))
    assert (verdict.outcome, verdict.cause) == ("fail", "wrong_degree")
    assert verdict.says.startswith("8 of 16 GPUs were seen, and each holds 16.46 GiB")
    assert "1/8 of the model, not 1/16" in verdict.says
    assert "what the GPUs of vllm-1 hold was not seen" in verdict.says


def test_half_a_group_by_memory_alone_is_not_called_two_copies() -> None:
    verdict = weights(evidence_of(replace(TWO, model=FP8), (*NO_LOGS, "last-node")))
    assert verdict.cause in (None, "wrong_degree")
    assert "copies" not in verdict.says


def test_a_half_whose_memory_fits_no_copy_is_not_counted_as_one() -> None:
    evidence = evidence_of(TWO)
    little = (replace(p, memory_used=3 * GIB) for p in gpus_of(evidence, 1).processes)
    evidence = with_processes(evidence, 1, *little)
    verdict = weights(with_look(evidence, 1, vllm=Missing("its log is gone")))
    assert (verdict.outcome, verdict.cause) == ("fail", "wrong_degree")


def test_ranks_of_half_a_group_are_on_half_of_its_gpus() -> None:
    verdict = one_rank_a_gpu.judge_evidence(evidence_of(ONE, ("last-node",)))
    assert verdict.outcome == "unknown"
    assert verdict.says.startswith("8 ranks are on 8 of 16 GPUs, one on each, as far as seen")


def test_an_engine_that_sleeps_has_loaded_its_weights_and_holds_none() -> None:
    verdict = weights(beside.asleep(ONE, ()))
    assert verdict.outcome == "pass"
    assert verdict.says.startswith("the ranks of 16 of 16 GPUs loaded ")
    assert "hold" not in verdict.says.partition("; ")[0]
    assert "the engine sleeps now: NVML shows 2.00 GiB on a GPU at most" in verdict.says
    assert "allowed for: sleep mode" in verdict.says


def _with_ray(evidence: Evidence, address: str) -> Evidence:
    ray = RayCluster(address=address) if address else Missing("nobody asked Ray")
    executor = replace(evidence.intent, executor="ray")
    return with_node(replace(evidence, intent=executor), 0, ray=ray)


@pytest.mark.parametrize("address", ["10.0.0.2:53899", ""])
def test_copies_are_told_to_join_the_address_of_their_own_ray_or_none(address: str) -> None:
    remedy = weights(_with_ray(evidence_of(TWO), address)).remedy or ""
    assert ("--address" in remedy) == bool(address)
    assert address in remedy
    assert "6379" not in remedy


def test_a_log_whose_start_is_gone_is_not_searched_for_it() -> None:
    evidence = evidence_of(replace(TWO, model=FP8), NO_LOGS)
    remedy = weights(evidence).remedy or ""
    assert "grep" not in remedy
    assert "ps -ef" in remedy


def test_a_line_that_the_log_has_lost_is_not_looked_for_there() -> None:
    truth = replace(ALONE, asked=Layout(8), engines=(Running(layout=Layout(8)),))
    verdict = weights(evidence_of(truth, (*NO_LOGS, "http")))
    assert verdict.outcome == "unknown"
    assert "grep" not in (verdict.remedy or "")
    assert "'Model loading took', is not in the log of vllm-0" in (verdict.remedy or "")


def test_a_log_that_nobody_read_is_still_worth_a_search() -> None:
    truth = replace(ALONE, asked=Layout(8), engines=(Running(layout=Layout(8)),))
    evidence = evidence_of(truth, (*NO_LOGS, "http"))
    evidence = with_look(evidence, 0, vllm=Missing("the log file could not be read"))
    assert "grep -m1 'Model loading took'" in (weights(evidence).remedy or "")


def test_a_group_of_one_rank_is_told_in_the_singular() -> None:
    evidence = evidence_of(ALONE)
    pods = tuple(replace(p, gpus=1) for p in evidence.pods)
    evidence = replace(evidence, pods=pods, intent=replace(evidence.intent, gpus=1))
    assert isinstance(evidence.look(evidence.pods[0]).vllm, VllmLog)
    for check in EVERY:
        verdict = check.judge_evidence(evidence)
        assert verdict.outcome == "pass", verdict.says
        for wrong in ("1 ranks", "1 GPUs", "1 GPU hold ", "1 worlds", "1 rank are"):
            assert wrong not in verdict.says


@pytest.mark.parametrize(
    ("number", "thing", "told"),
    [
        (1, "rank", "1 rank"),
        (16, "rank", "16 ranks"),
        (0, "GPU", "0 GPUs"),
        (2, "copy", "2 copies"),
        (3, "process", "3 processes"),
    ],
)
def test_a_number_and_its_noun_agree(number: int, thing: str, told: str) -> None:
    assert counted(number, thing) == told


def test_verbs_agree_too() -> None:
    assert [several(n, "is") for n in (0, 1, 2)] == ["are", "is", "are"]
    assert [several(n, "holds") for n in (1, 2)] == ["holds", "hold"]
