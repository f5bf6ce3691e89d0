"""NCCL005 beside NVML's word on how GPUs are joined."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.checks.test_gpu_health import changed
from tests.evidence_builder import change_looks, healthy

from distcheck.checks.evidence import Evidence, Missing, NcclLog, PodLook
from distcheck.checks.evidence.gpu_health import GpuHealth, NvLinks
from distcheck.checks.knowledge.gpu_links import expects_nvlink
from distcheck.checks.nccl.peer_to_peer_on_node import peer_to_peer_on_node
from distcheck.checks.verdict import Verdict


def judged(evidence: Evidence) -> Verdict:
    return peer_to_peer_on_node.judge_evidence(evidence)


def joined(name: str = "NVIDIA H100 80GB HBM3", up: int = 18, **pair: str) -> Evidence:
    """Every two GPUs of both nodes are joined like this."""

    def change(health: GpuHealth) -> GpuHealth:
        gpus = tuple(structs.replace(g, name=name, nvlinks=NvLinks(up, 0)) for g in health.gpus)
        pairs = tuple(structs.replace(p, **pair) for p in health.pairs)
        return structs.replace(health, gpus=gpus, pairs=pairs)

    return changed(change, changed(change, node="gpu-1"))


def copying(evidence: Evidence) -> Evidence:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        channels = tuple(
            structs.replace(c, transport="SHM/direct/direct") if c.scope == "intra_node" else c
            for c in look.nccl.channels
        )
        return structs.replace(look, nccl=structs.replace(look.nccl, channels=channels))

    return change_looks(evidence, change)


def test_nvlink_is_named_where_nvml_shows_it() -> None:
    verdict = judged(healthy())
    assert (verdict.outcome, verdict.says) == (
        "pass",
        "64 channels within nodes use P2P/CUMEM over NVLink",
    )


def test_pcie_is_named_where_cards_have_no_nvlink() -> None:
    verdict = judged(joined("NVIDIA L40S", 0, nvlink="not supported"))
    assert (verdict.outcome, verdict.says[-10:]) == ("pass", " over PCIe")


def test_pcie_in_place_of_nvlink_is_a_warning_with_the_pairs() -> None:
    verdict = judged(joined(up=0, nvlink="not supported"))
    assert (verdict.outcome, verdict.cause) == ("warn", "pcie-for-nvlink")
    assert "over PCIe: NVLink does not join GPU 0 and GPU 1 of gpu-0: not supported" in verdict.says
    assert "(28 of 28 pairs)" in verdict.says


def test_copies_through_host_memory_say_why_gpus_are_apart() -> None:
    verdict = judged(copying(joined(peer="chipset not supported", nvlink="not supported")))
    assert (verdict.outcome, verdict.cause) == ("warn", "p2p-unavailable")
    assert "GPU 0 and GPU 1 of gpu-0 have no peer access (chipset not supported)" in verdict.says


@pytest.mark.parametrize("part", [lambda h: structs.replace(h, pairs=()), lambda _: None])
def test_without_nvmls_word_the_log_alone_is_told(
    part: Callable[[GpuHealth], GpuHealth | None],
) -> None:
    def change(health: GpuHealth) -> GpuHealth:
        return part(health) or structs.replace(health, gpus=(), pairs=())

    evidence = changed(change, changed(change, node="gpu-1"))
    assert judged(evidence).says == "64 channels within nodes use P2P/CUMEM"


def test_a_world_of_one_rank_is_decided_without_a_log() -> None:
    evidence = healthy(1)
    intent = structs.replace(evidence.intent, tp=1, gpus=1)
    pods = tuple(structs.replace(p, gpus=1) for p in evidence.pods)
    gone = Missing("no log")
    bare = change_looks(evidence, lambda look: structs.replace(look, nccl=gone, vllm=gone))
    verdict = judged(structs.replace(bare, intent=intent, pods=pods))
    assert (verdict.outcome, verdict.says) == ("skipped", "a world of one rank has no communicator")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", True),
        ("NVIDIA A100-SXM4-80GB", True),
        ("NVIDIA H200", True),
        ("NVIDIA B200", True),
        ("NVIDIA H200 NVL", False),
        ("NVIDIA H100 PCIe", False),
        ("NVIDIA A100 80GB PCIe", False),
        ("NVIDIA L40S", False),
    ],
)
def test_boards_with_nvlink_are_known_by_name(name: str, expected: bool) -> None:
    assert expects_nvlink(name) is expected
