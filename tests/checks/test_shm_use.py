"""SHM002: what dead ranks left in `/dev/shm`, and a level that goes on rising."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, shm_mount, starting, without_look

from distcheck.checks.evidence import Evidence, Missing, ShmMount
from distcheck.checks.evidence.shm import ShmLevel, ShmSegment
from distcheck.checks.knowledge.shm import MIB
from distcheck.checks.knowledge.shm_rise import rise
from distcheck.checks.shm.not_filling import not_filling
from distcheck.checks.verdict import Verdict

POOL = 33_030_528


def _judged(mount: ShmMount, evidence: Evidence | None = None) -> Verdict:
    base = evidence or healthy()
    return not_filling.judge_evidence(
        change_looks(base, lambda look: structs.replace(look, shm=mount))
    )


def _with_leaks(size: int, count: int, used: int | None = None, held: int = 0) -> ShmMount:
    leaks = tuple(
        ShmSegment(f"nccl-{n:06}", POOL, "nccl", held=False) for n in range(min(count, 256))
    )
    live = tuple(ShmSegment(f"nccl-h{n:05}", POOL, "nccl", held=True) for n in range(held))
    return structs.replace(
        shm_mount(size, used=(count + held) * POOL if used is None else used),
        segments=(*live, *leaks),
        unheld_files=count,
        unheld_bytes=count * POOL,
    )


def test_a_clean_tmpfs_passes_with_its_level() -> None:
    verdict = _judged(shm_mount(1024 * MIB))
    assert verdict.outcome == "pass"
    assert verdict.says == "no leaked segment; 252 MiB of 1024 MiB are used in vllm-head-0"


def test_a_level_above_95_percent_is_called_almost_full() -> None:
    verdict = _judged(shm_mount(1024 * MIB, used=980 * MIB))
    assert verdict.says.endswith(" are used in vllm-head-0, so that it is almost full")


def test_leaks_that_leave_no_room_for_ranks_that_start_fail_and_are_named() -> None:
    verdict = _judged(_with_leaks(512 * MIB, 12), starting(healthy()))
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_leaked")
    assert "12 segments of dead ranks (nccl-000000, nccl-000001, nccl-000002, ...)" in verdict.says
    assert "take 378 MiB; 134 MiB are free, and the ranks need 8 ranks x" in verdict.says
    assert verdict.subjects == ("vllm-head-0", "vllm-worker-0")


def test_room_is_only_doubted_where_files_without_a_name_may_be_the_ranks_own() -> None:
    """Weights in a folder there hide what the ranks have."""
    weights = structs.replace(_with_leaks(512 * MIB, 0, used=500 * MIB), folders=1)
    verdict = _judged(weights, starting(healthy()))
    assert verdict.outcome == "warn"
    assert "unless they have it already" in verdict.says


def test_what_living_ranks_have_already_is_not_asked_for_again() -> None:
    """Four of eight pools are there; four more fit beside the leaks."""
    verdict = _judged(_with_leaks(512 * MIB, 8, held=4), starting(healthy()))
    assert verdict.outcome == "warn"


def test_leaks_beside_ranks_that_run_warn_of_the_next_start() -> None:
    verdict = _judged(_with_leaks(600 * MIB, 12, used=590 * MIB))
    assert (verdict.outcome, verdict.cause) == ("warn", "shm_leaked")
    assert "leave 222 MiB for the next start" in verdict.says


def test_leaks_that_do_no_harm_pass_and_are_counted() -> None:
    verdict = _judged(_with_leaks(32 * 1024 * MIB, 1, used=300 * MIB))
    assert verdict.outcome == "pass"
    assert "1 segment of dead ranks (nccl-000000) takes 32 MiB, which does no harm" in verdict.says


def test_leaks_of_a_tenth_warn() -> None:
    verdict = _judged(_with_leaks(4096 * MIB, 20, used=1000 * MIB))
    assert (verdict.outcome, verdict.cause) == ("warn", "shm_leaked")


def test_a_full_tmpfs_fails_though_nothing_is_leaked() -> None:
    verdict = _judged(shm_mount(512 * MIB, used=512 * MIB))
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_filling")
    assert "is full (512 MiB)" in verdict.says


def test_files_of_others_that_leave_no_room_fail_as_filling() -> None:
    model = (ShmSegment("model.safetensors", 400 * MIB, "other", held=False),)
    mount = structs.replace(shm_mount(512 * MIB, used=400 * MIB), segments=model)
    verdict = _judged(mount, starting(healthy()))
    assert (verdict.outcome, verdict.cause) == ("fail", "shm_filling")
    assert "400 MiB of 512 MiB are used" in verdict.says


def test_a_tmpfs_that_never_had_the_room_is_not_said_twice() -> None:
    """SHM001 says it."""
    assert _judged(shm_mount(64 * MIB, used=0), starting(healthy())).outcome == "pass"


def _rising(*used: int) -> ShmMount:
    levels = tuple(
        ShmLevel(f"2026-01-15T{8 + n // 6:02}:{n % 6 * 10:02}:00Z", u * MIB)
        for n, u in enumerate(used)
    )
    mount = shm_mount(1024 * MIB, used=used[-1] * MIB)
    return structs.replace(mount, earlier=levels, seen_at="2026-01-15T09:31:00Z")


def test_a_level_that_goes_on_rising_warns_with_the_time_that_is_left() -> None:
    verdict = _judged(_rising(300, 330, 360, 390, 420, 450, 480, 510, 540, 570))
    assert (verdict.outcome, verdict.cause) == ("warn", "shm_filling")
    assert "rose by 270 MiB in 1 h 31 min to 570 MiB of 1024 MiB" in verdict.says
    assert "it is full in 2 h 33 min" in verdict.says


@pytest.mark.parametrize(
    "levels",
    [
        (0, 300, 300, 300, 300, 300, 300, 300, 300, 300),
        (300, 300, 300, 300, 300, 300, 300, 300, 0, 600),
        (300, 301, 302, 303, 304, 305, 306, 307, 308, 309),
        (600, 500, 400, 300, 200, 100, 90, 80, 70, 60),
    ],
)
def test_a_start_and_a_level_that_stays_are_no_rise(levels: tuple[int, ...]) -> None:
    assert _judged(_rising(*levels)).outcome == "pass"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 2**40))), st.integers(0, 2**40))
def test_any_levels_give_a_rise_or_none(levels: list[tuple[int, int]], size: int) -> None:
    found = rise(sorted(levels), size)
    assert found is None or (found.bytes > 0 and found.seconds >= 1800 and found.left >= 0)


def test_segments_that_nobody_could_be_asked_about_are_unknown_where_it_matters() -> None:
    unsure = tuple(ShmSegment(f"nccl-{n:06}", POOL, "nccl") for n in range(12))
    mount = structs.replace(
        shm_mount(512 * MIB, used=12 * POOL),
        segments=unsure,
        unheld_files=None,
        unheld_bytes=None,
        unasked="pid 41: Permission denied",
    )
    verdict = _judged(mount)
    assert verdict.outcome == "unknown"
    assert "pid 41: Permission denied" in verdict.says
    roomy = structs.replace(mount, size_bytes=32 * 1024 * MIB)
    assert _judged(roomy).outcome == "pass"


@pytest.mark.parametrize(
    "mount",
    [
        structs.replace(shm_mount(1024 * MIB), used_bytes=None),
        structs.replace(shm_mount(1024 * MIB), segments=Missing("SYS_PTRACE is not granted")),
    ],
)
def test_a_level_or_files_that_were_not_seen_are_unknown(mount: ShmMount) -> None:
    assert _judged(mount).outcome == "unknown"


def test_a_pod_that_was_not_seen_is_unknown_with_its_name() -> None:
    verdict = not_filling.judge_evidence(without_look(healthy(), "vllm-worker-0"))
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0" in verdict.says
