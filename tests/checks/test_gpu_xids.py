"""GPU001: Xid events of the group's GPUs, while an agent waited for them."""

import pytest
from msgspec import structs
from tests.evidence_builder import AT, change_looks, healthy

from distcheck.checks.evidence import Evidence, Missing, PodLook, Process, Processes
from distcheck.checks.evidence.gpu_health import GpuHealth, LostGpu
from distcheck.checks.evidence.xids import Xid, Xids
from distcheck.checks.gpu.healthy import healthy as gpus_healthy
from distcheck.checks.knowledge.xids import XIDS
from distcheck.checks.verdict import Verdict

START, LATER = "2026-01-15T09:00:00Z", "2026-01-15T09:20:00Z"
WAITED = "2026-01-15T08:00:00Z"


def judged(evidence: Evidence) -> Verdict:
    return gpus_healthy.judge_evidence(evidence)


def uuid_of(evidence: Evidence, index: int) -> str:
    health = evidence.nodes[0].health
    assert isinstance(health, GpuHealth)
    return health.gpus[index].uuid


def started(look: PodLook) -> PodLook:
    assert isinstance(look.processes, Processes)
    processes = (Process(7, "VLLM::Worker_TP0", started_at=START),)
    return structs.replace(look, processes=structs.replace(look.processes, processes=processes))


def with_xids(xids: Xids | Missing) -> Evidence:
    """A healthy group whose processes started at START, with these on its first node."""
    evidence = change_looks(healthy(), started)
    first = structs.replace(evidence.nodes[0], xids=xids)
    return structs.replace(evidence, nodes=(first, *evidence.nodes[1:]))


def having(number: int, at: str = LATER, count: int = 1, index: int = 2) -> Evidence:
    row = Xid(uuid_of(healthy(), index), index, number, count, at, at)
    return with_xids(Xids(WAITED, AT, (row,)))


@pytest.mark.parametrize("number", [n for n, x in XIDS.items() if x.kind == "hardware"])
def test_an_xid_of_hardware_is_a_warning_with_its_number_and_what_to_do(number: int) -> None:
    verdict = judged(having(number))
    assert (verdict.outcome, verdict.cause) == ("warn", "gpu_xid")
    assert verdict.says.startswith(f"GPU 2 of gpu-0: Xid {number} ({XIDS[number].means}), at ")
    assert verdict.says.endswith(f": {XIDS[number].do}")
    assert verdict.subjects == ("vllm-head-0",)


@pytest.mark.parametrize("number", [13, 31, 43, 45, 63, 68, 92, 154, 777, 999])
def test_an_xid_that_proves_nothing_of_the_hardware_is_said_and_passes(number: int) -> None:
    verdict = judged(having(number, count=3))
    assert verdict.outcome == "pass"
    assert f"Xid {number} 3 times" in verdict.says
    assert verdict.says.endswith(f"last at {LATER} on GPU 2 of gpu-0")
    assert "no Xid" not in verdict.says


def test_an_xid_from_before_the_processes_started_is_no_warning() -> None:
    verdict = judged(having(48, at="2026-01-15T08:59:59Z"))
    assert verdict.outcome == "pass"
    assert "Xid 48" in verdict.says
    old = judged(having(31, at="2026-01-15T08:59:59Z"))
    assert old.says.endswith(f"; no Xid since {WAITED}")


def test_an_xid_of_somebody_elses_gpu_is_not_judged() -> None:
    row = Xid("GPU-other", 8, 79, 1, LATER, LATER)
    assert judged(with_xids(Xids(WAITED, AT, (row,)))).says.endswith(f"; no Xid since {WAITED}")


def test_a_pass_without_a_wait_says_so_and_why() -> None:
    verdict = judged(with_xids(Missing("NVML tells no events: Not Supported")))
    assert verdict.outcome == "pass"
    assert verdict.says.endswith(
        f"; no Xid since {WAITED}; Xids unseen on gpu-0 (NVML tells no events: Not Supported)"
    )


def test_a_wait_that_ended_says_until_when() -> None:
    verdict = judged(with_xids(Xids(WAITED, LATER, ended="NVML: GPU is lost")))
    assert f"Xids unseen on gpu-0 (until {LATER} only: NVML: GPU is lost)" in verdict.says


def test_a_gpu_without_events_is_said() -> None:
    deaf = Xids(WAITED, AT, deaf=(uuid_of(healthy(), 1),))
    assert "Xids unseen on gpu-0 (1 GPU without events)" in judged(with_xids(deaf)).says


@pytest.mark.parametrize("uuid", ["", "GPU-gone"])
def test_the_xid_of_a_lost_gpu_is_said_beside_it(uuid: str) -> None:
    row = Xid("GPU-gone", 2, 79, 1, LATER, LATER)
    evidence = with_xids(Xids(WAITED, AT, (row,)))
    health = evidence.nodes[0].health
    assert isinstance(health, GpuHealth)
    left = (*health.gpus[:2], *health.gpus[3:])
    lost = structs.replace(health, gpus=left, lost=(LostGpu(2, "GPU is lost", uuid),))
    first = structs.replace(evidence.nodes[0], health=lost)
    verdict = judged(structs.replace(evidence, nodes=(first, *evidence.nodes[1:])))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_lost")
    assert verdict.says == (
        "GPU 2 of gpu-0 does not answer: GPU is lost;"
        f" Xid 79 (the GPU has fallen off the bus), at {LATER}"
    )


def test_many_xids_are_said_in_few_words() -> None:
    uuid = uuid_of(healthy(), 0)
    rows = tuple(Xid(uuid, 0, n, 1, LATER, LATER) for n in (*range(1, 60), 79))
    verdict = judged(with_xids(Xids(WAITED, AT, rows)))
    assert len(verdict.says) < 1000
