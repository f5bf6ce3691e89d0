"""GPU001: the GPUs of the group, as NVML tells of their health."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy

from distcheck.checks.evidence import Allocated, Allocation, Evidence, Missing, NcclLog, PodLook
from distcheck.checks.evidence.gpu_health import GpuHealth, GpuState, LostGpu, NvLinks
from distcheck.checks.gpu.healthy import healthy as gpus_healthy
from distcheck.checks.knowledge.gpu_remedies import REMEDIES
from distcheck.checks.verdict import Verdict


def judged(evidence: Evidence) -> Verdict:
    return gpus_healthy.judge_evidence(evidence)


def changed(
    change: Callable[[GpuHealth], GpuHealth], evidence: Evidence | None = None, node: str = "gpu-0"
) -> Evidence:
    """A healthy group in which the GPUs of `node` are otherwise."""
    evidence = evidence or healthy()
    nodes = tuple(
        structs.replace(n, health=change(n.health))
        if n.node == node and isinstance(n.health, GpuHealth)
        else n
        for n in evidence.nodes
    )
    return structs.replace(evidence, nodes=nodes)


def third(**changes: object) -> Evidence:
    """The third GPU of the first node has these values."""

    def change(health: GpuHealth) -> GpuHealth:
        one: GpuState = structs.replace(health.gpus[2], **changes)
        return structs.replace(health, gpus=(*health.gpus[:2], one, *health.gpus[3:]))

    return changed(change)


def losing(health: GpuHealth) -> GpuHealth:
    lost = LostGpu(2, "GPU is lost")
    return structs.replace(health, gpus=(*health.gpus[:2], *health.gpus[3:]), lost=(lost,))


def test_a_healthy_group_passes_with_the_number_and_kind_of_its_gpus() -> None:
    verdict = judged(healthy())
    assert (
        verdict.says
        == "16 GPUs (NVIDIA H100 80GB HBM3) without errors; no Xid since 2026-01-15T08:00:00Z"
    )


def test_a_lost_gpu_of_a_pod_with_all_gpus_of_its_node_fails() -> None:
    verdict = judged(changed(losing))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_lost")
    assert verdict.says == "GPU 2 of gpu-0 does not answer: GPU is lost"
    assert verdict.subjects == ("vllm-head-0",)


def test_a_lost_gpu_of_somebody_else_is_not_judged() -> None:
    def more(health: GpuHealth) -> GpuHealth:
        return structs.replace(health, lost=(LostGpu(8, "GPU is lost"),))

    assert judged(changed(more)).outcome == "pass"


def given(*uuids: str) -> Evidence:
    def change(look: PodLook) -> PodLook:
        if look.pod != "llm/vllm-head-0":
            return look
        devices = (Allocation("vllm", "nvidia.com/gpu", uuids),)
        return structs.replace(look, allocated=Allocated(devices, "kubelet"))

    return change_looks(healthy(), change)


def test_a_gpu_that_the_kubelet_gave_and_the_node_lacks_fails() -> None:
    evidence = healthy()
    health = evidence.nodes[0].health
    assert isinstance(health, GpuHealth)
    own = [g.uuid for g in health.gpus[:7]]
    absent = "GPU-dead0000-0000-4000-8000-000000000000"
    verdict = judged(given(*own, absent))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_missing")
    assert absent in verdict.says


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"recovery": "reset"}, "GPU 2 of gpu-0: the driver asks for a reset"),
        ({"remap_failed": True}, "no spare one was left"),
    ],
)
def test_a_gpu_that_cannot_go_on_fails(changes: dict[str, object], words: str) -> None:
    verdict = judged(third(**changes))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_broken")
    assert words in verdict.says


@pytest.mark.parametrize(
    ("cause", "changes", "words"),
    [
        ("gpu_ecc", {"ecc_uncorrected": 3}, "3 uncorrected ECC errors"),
        ("gpu_remap_pending", {"remap_pending": True}, "waits for a reset"),
        ("gpu_remap_pending", {"retired_pending": True}, "waits for a reset"),
        ("gpu_recovery", {"recovery": "drain and reset"}, "asks to drain and reset"),
        (
            "gpu_throttled",
            {
                "slowed": ("hardware thermal slowdown",),
                "temperature": 91,
                "slowdown_temperature": 89,
            },
            "clocks are held down (hardware thermal slowdown, 91 °C of 89)",
        ),
        (
            "nvlink_down",
            {"nvlinks": NvLinks(16, 2, ("switch",))},
            "16 NVLinks are up, 18 on others",
        ),
        ("fabric_not_ready", {"fabric": "in progress"}, "fabric is in progress"),
        ("pcie_narrow", {"pcie_width": 8}, "8 of 16 lanes"),
    ],
)
def test_what_should_be_looked_at_is_a_warning_with_its_numbers(
    cause: str, changes: dict[str, object], words: str
) -> None:
    verdict = judged(third(**changes))
    assert (verdict.outcome, verdict.cause) == ("warn", cause)
    assert verdict.says.startswith("GPU 2 of gpu-0: ")
    assert words in verdict.says


@pytest.mark.parametrize(
    "changes",
    [
        {"slowed": ("power cap",)},
        {"ecc_corrected": 40, "ecc_uncorrected_ever": 2},
        {"pcie_generation": 1, "pcie_generation_max": 5},
        {"fabric": "not supported"},
        {
            "ecc_uncorrected": None,
            "nvlinks": None,
            "recovery": None,
            "fabric": None,
            "slowed": None,
        },
    ],
    ids=["at its power limit", "old errors", "idle PCIe", "no fabric", "untold"],
)
def test_what_is_normal_is_no_warning(changes: dict[str, object]) -> None:
    assert judged(third(**changes)).outcome == "pass"


def test_bridges_of_somebody_elses_gpus_are_no_measure() -> None:
    """NVLink bridges join some GPUs of a node, and not others, by design."""
    seen = healthy().nodes[0].health
    assert isinstance(seen, GpuHealth)
    evidence = given(*[g.uuid for g in seen.gpus[:4]])
    pods = (structs.replace(evidence.pods[0], gpus=4), *evidence.pods[1:])

    def bridged(health: GpuHealth) -> GpuHealth:
        gpus = (
            structs.replace(g, nvlinks=NvLinks(12 * (at > 3), 12 * (at < 4)))
            for at, g in enumerate(health.gpus)
        )
        return structs.replace(health, gpus=tuple(gpus))

    assert judged(changed(bridged, structs.replace(evidence, pods=pods))).outcome == "pass"


def test_gpus_of_a_kind_without_nvlink_miss_none() -> None:
    def without(health: GpuHealth) -> GpuHealth:
        gpus = tuple(structs.replace(g, nvlinks=NvLinks(0, 18)) for g in health.gpus)
        return structs.replace(health, gpus=gpus)

    assert judged(changed(without)).outcome == "pass"


@pytest.mark.parametrize(
    ("driver", "outcome", "words"),
    [
        ("525.147.05", "warn", "driver 525.147.05 on gpu-0 is older than 535"),
        ("535.161.08", "pass", "driver 535.161.08: 550 or newer is advised"),
        ("550.54.15", "pass", "without errors"),
    ],
)
def test_the_drivers_version_is_told_with_what_is_needed(
    driver: str, outcome: str, words: str
) -> None:
    verdict = judged(changed(lambda health: structs.replace(health, driver=driver)))
    assert (verdict.outcome, words in verdict.says) == (outcome, True)


@pytest.mark.parametrize(("version", "outcome"), [("2.17.1", "warn"), ("2.18.5", "pass")])
def test_an_old_nccl_is_a_warning(version: str, outcome: str) -> None:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        return structs.replace(look, nccl=structs.replace(look.nccl, versions=(version,)))

    verdict = judged(change_looks(healthy(), change))
    assert verdict.outcome == outcome
    assert verdict.cause == ("nccl_old" if outcome == "warn" else None)


def test_a_node_that_was_not_asked_leaves_it_open() -> None:
    evidence = healthy()
    nodes = (structs.replace(evidence.nodes[0], health=Missing("NVML: gone")), *evidence.nodes[1:])
    verdict = judged(structs.replace(evidence, nodes=nodes))
    assert (verdict.outcome, "vllm-head-0: NVML: gone" in verdict.says) == ("unknown", True)


def test_what_one_gpu_has_is_said_together() -> None:
    verdict = judged(third(ecc_uncorrected=1, remap_pending=True))
    assert verdict.says == (
        "GPU 2 of gpu-0: 1 uncorrected ECC error since the driver started, memory waits for a"
        " reset to be replaced by spare rows"
    )


def test_old_drivers_come_after_faults_of_gpus() -> None:
    evidence = third(ecc_uncorrected=1)
    verdict = judged(changed(lambda h: structs.replace(h, driver="470.1"), evidence, "gpu-1"))
    assert verdict.cause == "gpu_ecc"
    assert "; driver 470.1 on gpu-1 is older than 535" in verdict.says


def test_every_cause_has_a_remedy_of_its_own() -> None:
    """Advice for a link says nothing to somebody whose GPU is lost."""
    assert set(REMEDIES) == set(gpus_healthy.page.causes)
    assert "nvlink" not in REMEDIES["gpu_lost"].lower()
