"""What keeps a group from passing, or from failing, although one witness speaks clearly."""

import pytest
from msgspec.structs import replace
from tests.checks.sharding_groups import (
    PER_NODE,
    config,
    evidence_of,
    gpus_of,
    with_look,
    with_node,
    with_processes,
)
from tests.checks.test_sharding_cases import NO_LOGS, one, two, weights

from distcheck.checks.evidence import GpuProcess, ModelConfig
from distcheck.checks.knowledge.weights import GIB, Layout
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu
from distcheck.checks.sharding.one_world import one_world

SERVES_8 = ("vllm", "serve", "/m", "-tp", "8", "-pp", "1")


@pytest.mark.parametrize("hidden", [(), ("weights", "ranks", "config-line", "cache-line", "http")])
def test_a_server_that_runs_with_another_layout_keeps_the_group_from_passing(
    hidden: tuple[str, ...],
) -> None:
    """NCCL's lines may be last week's, under the numbers that today's processes have."""
    evidence = evidence_of(one(), hidden, words=SERVES_8)
    for verdict in (weights(evidence), one_world.judge_evidence(evidence)):
        assert verdict.outcome == "unknown"
        assert verdict.says.startswith("the server of vllm-0 runs TP=8, TP=16 is asked for; yet ")


def test_the_data_type_of_the_command_line_counts_where_the_log_is_gone() -> None:
    layout = Layout(8)
    words = (*SERVES_8, "--dtype", "float32")
    hidden = tuple(h for h in NO_LOGS if h != "weights")
    evidence = evidence_of(one(layout=layout, nodes=1), hidden, words=words)
    assert weights(evidence).outcome != "fail"


def test_memory_against_two_worlds_is_no_proof_of_copies() -> None:
    """The config.json is another model's: NVML and that file stand alone."""
    evidence = evidence_of(one(), ("weights",))
    small = ModelConfig("/m/config.json", config("llama-3.1-8b"))
    for number in range(2):
        evidence = with_look(evidence, number, model=small)
    verdict = weights(evidence)
    assert verdict.outcome == "unknown"
    assert verdict.cause in (None, "witnesses_disagree")


def test_gpus_that_are_asked_for_and_not_there_keep_the_ranks_from_passing() -> None:
    evidence = evidence_of(one(layout=Layout(8), nodes=1))
    asked = replace(evidence, intent=replace(evidence.intent, gpus=2 * PER_NODE))
    verdict = one_rank_a_gpu.judge_evidence(asked)
    assert (verdict.outcome, "16 GPUs are asked for" in verdict.says) == ("unknown", True)


def test_a_process_of_nobody_beside_a_rank_is_a_doubt() -> None:
    evidence = evidence_of(one())
    gpus = gpus_of(evidence, 0)
    stranger = GpuProcess(gpus.devices[0].uuid, 77, 40 * GIB)
    verdict = one_rank_a_gpu.judge_evidence(with_processes(evidence, 0, *gpus.processes, stranger))
    assert verdict.outcome == "unknown"
    assert f"whose process 77 on {gpus.devices[0].uuid} is" in verdict.says


def test_memory_that_no_process_has_is_a_doubt() -> None:
    evidence = evidence_of(one())
    gpus = gpus_of(evidence, 0)
    processes = tuple(replace(p, memory_used=(p.memory_used or 0) // 2) for p in gpus.processes)
    changed = with_node(evidence, 0, gpus=replace(gpus, processes=processes))
    verdict = one_rank_a_gpu.judge_evidence(changed)
    assert verdict.outcome == "unknown"
    assert "that no listed process has" in verdict.says


def test_two_copies_stay_a_failure_whatever_the_command_line_says() -> None:
    assert weights(evidence_of(two(), words=SERVES_8)).outcome == "fail"
