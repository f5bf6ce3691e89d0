"""SHM001: the mount against what the ranks allocate."""

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, shm_mount, starting, without_look

from distcheck.checks.evidence import EngineHttp, Evidence, Missing, NcclLog, PodLook, ShmMount
from distcheck.checks.evidence.ray_log import RayLog, RaySaid
from distcheck.checks.evidence.serving import ServedModel
from distcheck.checks.knowledge.shm import MIB, pool_bytes, shm_need
from distcheck.checks.shm.large_enough import large_enough
from distcheck.checks.verdict import Verdict


def _mounted(size: int, source: str = "tmpfs") -> Evidence:
    mount = ShmMount(size, source, "/proc/101/mountinfo")
    return change_looks(starting(healthy()), lambda look: structs.replace(look, shm=mount))


def _judged(evidence: Evidence) -> Verdict:
    return large_enough.judge_evidence(evidence)


def test_a_large_volume_passes_with_its_arithmetic() -> None:
    verdict = _judged(healthy())
    assert verdict.outcome == "pass"
    assert "8 ranks x 1 communicator x 31.5 MiB (pool of NCCL 2.27.3) = 252 MiB" in verdict.says


def test_the_runtimes_own_64_mib_fail_as_the_default() -> None:
    verdict = _judged(_mounted(64 * MIB, "shm"))
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_default")
    assert verdict.subjects == ("vllm-head-0", "vllm-worker-0")
    assert "64 MiB" in verdict.says


def test_a_volume_below_the_need_fails_as_too_small() -> None:
    verdict = _judged(_mounted(251 * MIB))
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_too_small")


def test_room_for_the_pools_but_not_for_the_ring_warns() -> None:
    assert _judged(_mounted(253 * MIB)).outcome == "warn"


def test_a_pod_whose_mount_was_not_seen_is_unknown_not_passed() -> None:
    verdict = _judged(without_look(healthy(), "vllm-worker-0"))
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0" in verdict.says


def test_one_small_mount_fails_beside_one_that_was_not_seen() -> None:
    verdict = _judged(without_look(_mounted(64 * MIB, "shm"), "vllm-worker-0"))
    assert verdict.outcome == "fail"
    assert verdict.subjects == ("vllm-head-0",)


def test_nothing_seen_is_unknown_with_the_reason() -> None:
    gone = Missing("nothing is mounted at /dev/shm in the container")
    verdict = _judged(change_looks(healthy(), lambda look: structs.replace(look, shm=gone)))
    assert verdict.outcome == "unknown"
    assert gone.reason in verdict.says


def test_a_group_on_one_node_needs_no_pools_and_64_mib_only_warn() -> None:
    evidence = change_looks(healthy(1), _alone_in_64_mib)
    verdict = _judged(evidence)
    assert (verdict.outcome, verdict.cause) == ("warn", "shm_default")
    assert "no communicator leaves the node" in verdict.says


def _alone_in_64_mib(look: PodLook) -> PodLook:
    return structs.replace(look, shm=ShmMount(64 * MIB, "shm", "/proc/101/mountinfo"))


def test_before_any_log_line_four_communicators_are_allowed_for() -> None:
    evidence = change_looks(
        _mounted(1024 * MIB), lambda look: structs.replace(look, nccl=NcclLog())
    )
    assert _judged(evidence).outcome == "warn"
    need = shm_need(8, None, None)
    assert need.least == 8 * pool_bytes("2.21.5")
    assert need.enough == 8 * 4 * pool_bytes("2.30.7") + 160 * MIB


@pytest.mark.parametrize(
    ("version", "size"),
    [
        ("2.21.5", 7_340_384),
        ("2.26.2+cuda12.2", 31_850_880),
        ("2.27.3", 33_030_528),
        ("2.28.9", 33_030_528),
        ("2.30.7", 34_210_176),
        ("2.9.1", 7_340_384),
    ],
)
def test_the_pool_is_that_of_the_release(version: str, size: int) -> None:
    assert pool_bytes(version) == size


def test_ranks_that_are_up_have_proven_their_room_whatever_the_arithmetic_says() -> None:
    mount = shm_mount(448 * MIB, used=252 * MIB)
    evidence = change_looks(healthy(), lambda look: structs.replace(look, shm=mount))
    verdict = _judged(evidence)
    assert verdict.outcome == "pass"
    small = shm_mount(240 * MIB, used=20 * MIB)
    verdict = _judged(change_looks(healthy(), lambda look: structs.replace(look, shm=small)))
    assert verdict.outcome == "pass"
    assert "the ranks are up, and 220 MiB are free" in verdict.says


def test_ranks_that_are_up_without_room_for_the_ring_only_warn() -> None:
    mount = shm_mount(240 * MIB, used=200 * MIB)
    verdict = _judged(change_looks(healthy(), lambda look: structs.replace(look, shm=mount)))
    assert (verdict.outcome, verdict.cause) == ("warn", "shm_too_small")


def test_a_memory_limit_below_the_need_fails() -> None:
    mount = structs.replace(shm_mount(1024 * MIB), memory_limit=200 * MIB)
    evidence = change_looks(starting(healthy()), lambda look: structs.replace(look, shm=mount))
    verdict = _judged(evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_over_limit")
    assert verdict.says.startswith("the memory limit of vllm-head-0 is 200 MiB")


def test_a_memory_limit_below_the_size_of_the_tmpfs_is_said() -> None:
    mount = structs.replace(shm_mount(32 * 1024 * MIB), memory_limit=8 * 1024 * MIB)
    verdict = _judged(change_looks(healthy(), lambda look: structs.replace(look, shm=mount)))
    assert verdict.outcome == "pass"
    assert "the memory limit of vllm-head-0, 8192 MiB, which is less than its size" in verdict.says


RAY = (
    "services.py:2063 -- WARNING: The object store is using /tmp instead of /dev/shm because"
    " /dev/shm has only {} bytes available. This will harm performance!"
)


def _told_by_ray(text: str, mount: ShmMount | Missing) -> Evidence:
    said = RaySaid("object_store_on_disk", text, "llm/vllm-head-0/vllm:3")
    log = RayLog(lines=1, said=(said,))
    return change_looks(
        starting(healthy()), lambda look: structs.replace(look, shm=mount, ray_log=log)
    )


def test_where_nobody_saw_the_mount_ray_tells_that_it_is_the_runtimes_own() -> None:
    gone = Missing("the agent did not answer")
    verdict = _judged(_told_by_ray(RAY.format(67108864), gone))
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_default")
    assert "the container runtime's default, as Ray found it at its start" in verdict.says
    assert verdict.cites[0].source == "llm/vllm-head-0/vllm:3"
    less = "The configured object store size (200.0 GB) exceeds /dev/shm size (0.067 GB)."
    assert _judged(_told_by_ray(less, gone)).cause == "shm_too_small"


def test_what_ray_found_is_cited_beside_the_mount_and_a_difference_is_said() -> None:
    verdict = _judged(_told_by_ray(RAY.format(64 * MIB), shm_mount(64 * MIB, "shm")))
    assert verdict.cause == "shm_default"
    assert [c.source for c in verdict.cites[:2]] == [
        "/proc/101/mountinfo",
        "llm/vllm-head-0/vllm:3",
    ]
    other = _judged(_told_by_ray(RAY.format(8192 * MIB), shm_mount(2048 * MIB)))
    assert other.outcome == "pass"
    assert "Ray of vllm-head-0 found 8192 MiB free at its start, more than is mounted" in other.says


def test_a_line_of_ray_without_a_number_tells_nothing() -> None:
    verdict = _judged(_told_by_ray("the object store is using /tmp", Missing("not seen")))
    assert verdict.outcome == "unknown"


def test_a_volume_of_a_pod_whose_containers_do_not_run_counts_where_the_spec_mounts_it() -> None:
    mount = structs.replace(shm_mount(64 * MIB), of_volume=True)
    evidence = _told_by_ray("", mount)
    assert _judged(evidence).outcome == "fail"
    pods = tuple(structs.replace(p, shm=None) for p in evidence.pods)
    assert _judged(structs.replace(evidence, pods=pods)).outcome == "unknown"


def _without_nccl_lines(look: PodLook) -> PodLook:
    answers = EngineHttp(101, "10.0.0.2:8000", models=(ServedModel("m"),))
    head = look.pod.endswith("head-0")
    mount = shm_mount(1024 * MIB, used=500 * MIB)
    http = answers if head else look.engine_http
    return structs.replace(look, nccl=NcclLog(), shm=mount, engine_http=http)


def test_an_engine_that_answers_has_proven_its_room_without_a_line_of_nccl() -> None:
    """Most groups run without NCCL_DEBUG=INFO: no allowance for what is not there may warn."""
    verdict = _judged(change_looks(healthy(), _without_nccl_lines))
    assert verdict.outcome == "pass"
    assert "the ranks are up, and 524 MiB are free" in verdict.says
