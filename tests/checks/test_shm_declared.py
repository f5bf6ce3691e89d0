"""SHM003: the mount against the volume of the spec."""

import pytest
from msgspec import structs
from tests.evidence_builder import GIB, change_looks, healthy, shm_mount, starting, without_look

from distcheck.checks.evidence import Evidence, Missing, PodLook, ShmDeclared, ShmMount
from distcheck.checks.knowledge.shm import MIB
from distcheck.checks.shm.as_declared import as_declared
from distcheck.checks.shm.large_enough import large_enough
from distcheck.checks.verdict import Verdict

SPEC = ShmDeclared(32 * GIB, "emptyDir (Memory) dshm in the spec of vllm", "memory")


def _declared(
    declared: ShmDeclared | None, mount: ShmMount | Missing, base: Evidence | None = None
) -> Evidence:
    evidence = base or healthy()
    pods = tuple(structs.replace(p, shm=declared) for p in evidence.pods)

    def change(look: PodLook) -> PodLook:
        return structs.replace(look, shm=mount)

    return change_looks(structs.replace(evidence, pods=pods), change)


def _judged(
    declared: ShmDeclared | None, mount: ShmMount | Missing, base: Evidence | None = None
) -> Verdict:
    return as_declared.judge_evidence(_declared(declared, mount, base))


def _cause(verdict: Verdict) -> tuple[str, str | None]:
    return verdict.outcome, verdict.cause


def test_the_size_of_the_spec_as_mounted_passes() -> None:
    verdict = _judged(SPEC, shm_mount(32 * GIB))
    assert verdict.outcome == "pass"
    assert verdict.says == "vllm-head-0: 32 GiB declared and mounted (vllm-worker-0 alike)"


def test_a_size_that_the_kernel_rounds_to_pages_passes() -> None:
    decimal = structs.replace(SPEC, size_bytes=20_000_000_001)
    assert _judged(decimal, shm_mount(-(-20_000_000_001 // 65536) * 65536)).outcome == "pass"


def test_a_size_limit_cut_by_the_pods_memory_limit_warns_with_both() -> None:
    cut = structs.replace(SPEC, memory_limit=16 * GIB)
    verdict = _judged(cut, shm_mount(16 * GIB))
    assert _cause(verdict) == ("warn", "shm_cut_by_limit")
    assert "a sizeLimit of 32 GiB is cut to the pod's memory limit, 16 GiB" in verdict.says


def test_a_limit_that_only_the_cgroup_shows_cuts_too() -> None:
    mount = structs.replace(shm_mount(16 * GIB), memory_limit=16 * GIB)
    assert _cause(_judged(SPEC, mount)) == ("warn", "shm_cut_by_limit")


def test_a_cut_below_what_the_ranks_need_fails() -> None:
    cut = structs.replace(SPEC, memory_limit=128 * MIB)
    verdict = _judged(cut, shm_mount(128 * MIB), starting(healthy()))
    assert _cause(verdict) == ("fail", "shm_cut_by_limit")


def test_less_than_the_limit_without_a_memory_limit_is_said_so() -> None:
    assert _cause(_judged(SPEC, shm_mount(20 * GIB))) == ("warn", "shm_smaller")


def test_more_than_the_limit_is_of_an_old_kubelet() -> None:
    assert _cause(_judged(SPEC, shm_mount(500 * GIB))) == ("warn", "shm_not_sized")


def test_the_runtimes_own_in_place_of_the_declared_volume() -> None:
    verdict = _judged(SPEC, shm_mount(64 * MIB, "shm"), starting(healthy()))
    assert _cause(verdict) == ("fail", "shm_default")
    assert "the spec declares 32 GiB, the runtime's own 64 MiB is mounted" in verdict.says


@pytest.mark.parametrize(("elsewhere", "who"), [(("proxy",), "proxy"), ((), "no container")])
def test_a_volume_that_another_container_mounts(elsewhere: tuple[str, ...], who: str) -> None:
    other = structs.replace(SPEC, elsewhere=elsewhere)
    verdict = _judged(other, shm_mount(64 * MIB, "shm"), starting(healthy()))
    assert _cause(verdict) == ("fail", "shm_default")
    assert f"{who} mounts the declared 32 GiB at /dev/shm, vllm does not" in verdict.says


def test_a_volume_that_the_ranks_do_not_mount_is_what_to_mount_for_room_too() -> None:
    other = structs.replace(SPEC, elsewhere=("proxy",))
    evidence = _declared(other, shm_mount(64 * MIB, "shm"), starting(healthy()))
    verdict = large_enough.judge_evidence(evidence)
    assert _cause(verdict) == ("fail", "shm_default")
    assert (verdict.remedy or "").startswith("Mount the volume that the spec declares")


def test_the_daemon_of_mps_over_the_volume() -> None:
    mount = structs.replace(shm_mount(64 * GIB), mps=True)
    assert _cause(_judged(SPEC, mount)) == ("warn", "shm_of_mps")


def test_an_empty_dir_on_disk_is_told_from_its_spec() -> None:
    disk = structs.replace(SPEC, medium="disk")
    verdict = _judged(disk, Missing("/dev/shm is a ext4, not a tmpfs"))
    assert _cause(verdict) == ("warn", "shm_on_disk")


def test_no_size_limit_and_other_kinds_of_volume_have_no_size_to_keep() -> None:
    assert _judged(structs.replace(SPEC, size_bytes=None), shm_mount(250 * GIB)).outcome == "pass"
    host = ShmDeclared(None, "hostPath shm in the spec of vllm")
    assert _judged(host, shm_mount(250 * GIB)).outcome == "pass"


def test_nothing_declared_is_skipped() -> None:
    verdict = _judged(None, shm_mount(64 * MIB, "shm"))
    assert verdict.outcome == "skipped"


def test_a_mount_that_was_not_seen_is_unknown() -> None:
    assert _judged(SPEC, Missing("the agent did not answer")).outcome == "unknown"
    assert _judged(None, Missing("the agent did not answer")).outcome == "unknown"
    verdict = as_declared.judge_evidence(without_look(healthy(), "vllm-worker-0"))
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0" in verdict.says
