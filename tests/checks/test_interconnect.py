"""NET004: link rates against what has to cross nodes."""

import pytest
from msgspec import structs
from tests.checks.test_rdma import bare, down, over, ports, silent, told, undeclared
from tests.evidence_builder import healthy

from distcheck.checks.evidence import Evidence
from distcheck.checks.evidence.rdma import RdmaPort
from distcheck.checks.network.interconnect_fits import interconnect_fits
from distcheck.checks.verdict import Verdict


def judged(evidence: Evidence) -> Verdict:
    return interconnect_fits.judge_evidence(evidence)


def rate(gbps: float | None, evidence: Evidence | None = None, devices: int = 8) -> Evidence:
    """Each of `devices` links of a node has this rate, and the others are down."""

    def change(port: RdmaPort) -> RdmaPort:
        kept = structs.replace(port, rate_gbps=gbps)
        return kept if int(port.device.removeprefix("mlx5_")) < devices else down(kept)

    return ports(evidence or healthy(), change)


def asking(**degrees: int | bool) -> Evidence:
    evidence = healthy()
    return structs.replace(evidence, intent=structs.replace(evidence.intent, **degrees))


def test_links_of_400_gbps_for_each_gpu_carry_tensor_parallelism() -> None:
    verdict = judged(healthy())
    assert verdict.outcome == "pass"
    assert verdict.says == ("TP=16 crosses nodes: 400 Gb/s InfiniBand carries TP across nodes")


@pytest.mark.parametrize(
    ("gbps", "devices", "outcome", "words"),
    [
        (200, 8, "pass", "each layer waits for it"),
        (100, 8, "warn", "with 100 Gb/s InfiniBand for each GPU"),
        (25, 8, "warn", "with 25 Gb/s InfiniBand for each GPU"),
        (400, 1, "warn", "with 50 Gb/s InfiniBand for each GPU"),
        (None, 8, "unknown", "what the links of vllm-head-0 carry is not seen"),
    ],
)
def test_tensor_parallelism_across_nodes_needs_fast_links(
    gbps: float | None, devices: int, outcome: str, words: str
) -> None:
    verdict = judged(rate(gbps, devices=devices))
    assert (verdict.outcome, words in verdict.says) == (outcome, True), verdict.says


def test_the_better_layout_is_named() -> None:
    verdict = judged(rate(25))
    assert verdict.cause == "tp_across_slow"
    assert verdict.remedy == (
        "Run with `--tensor-parallel-size 8 --pipeline-parallel-size 2`: TP=8 inside a node over"
        " NVLink, PP across nodes: all that 25 Gb/s InfiniBand can carry."
    )


def test_pipeline_stages_may_cross_slow_links() -> None:
    assert judged(rate(25, asking(tp=8, pp=2))).outcome == "pass"


def test_sockets_that_are_used_beat_links_that_are_there() -> None:
    verdict = judged(over(healthy(), "NET/Socket"))
    assert (verdict.outcome, verdict.cause) == ("warn", "tp_across_slow")
    assert "over TCP sockets (NCCL002)" in verdict.says


def test_experts_over_nodes_are_judged_as_tensor_parallelism_is() -> None:
    evidence = asking(tp=1, dp=16, ep=True)
    assert judged(rate(400, evidence)).outcome == "pass"
    verdict = judged(rate(50, evidence))
    assert (verdict.outcome, verdict.cause) == ("warn", "experts_across_slow")


def test_copies_of_a_dense_model_need_no_links() -> None:
    assert judged(rate(25, asking(tp=8, dp=2))).outcome == "pass"


def test_one_node_is_not_judged() -> None:
    assert judged(healthy(1)).outcome == "skipped"


def test_pods_without_a_device_leave_it_open() -> None:
    assert judged(silent(undeclared(bare(healthy())))).outcome == "unknown"


@pytest.mark.parametrize(("name", "value"), [("NCCL_IB_DISABLE", "1"), ("NCCL_NET", "Socket")])
def test_links_that_nccl_is_told_not_to_use_carry_nothing(name: str, value: str) -> None:
    verdict = judged(told(silent(healthy()), **{name: value}))
    assert verdict.outcome == "unknown"
    assert f"{name}={value} tells NCCL on vllm-head-0 to use sockets" in verdict.says
