"""Lines of an earlier start are of no process that runs now, even where its number is."""

from typing import Any

import pytest
from msgspec import structs
from tests.evidence_builder import AT, STARTED, change_looks, healthy

from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, NcclLog, PodLook, Processes, ShmMount, VllmLog
from distcheck.checks.evidence.nccl import Communicator
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.facts.shm import ShmMounts
from distcheck.checks.knowledge.shm import MIB
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.checks.shm.large_enough import large_enough

EARLIER = "2026-01-15T09:10:00Z"


def numbered(evidence: Evidence) -> Evidence:
    """Every process has its number in its container, which is the same as on the node."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        mine = tuple(structs.replace(p, ns_pids=(p.pid, p.pid)) for p in look.processes.processes)
        return structs.replace(look, processes=structs.replace(look.processes, processes=mine))

    return change_looks(evidence, change)


def stamped(look: PodLook, at: str | None) -> PodLook:
    """Every NCCL and vLLM line was written at `at`."""
    assert isinstance(look.nccl, NcclLog)
    assert isinstance(look.vllm, VllmLog)
    nccl = structs.replace(
        look.nccl, communicators=tuple(_at(c, at) for c in look.nccl.communicators)
    )
    ranks = tuple(structs.replace(r, seen_at=at) for r in look.vllm.ranks)
    weights = tuple(structs.replace(w, seen_at=at) for w in look.vllm.weights)
    vllm = structs.replace(look.vllm, ranks=ranks, weights=weights)
    return structs.replace(look, nccl=nccl, vllm=vllm)


def _at(one: Communicator, at: str | None, **changes: Any) -> Communicator:
    ranks = tuple(structs.replace(r, stamp=at) for r in one.ranks)
    return structs.replace(one, ranks=ranks, **changes)


@pytest.mark.parametrize("one", [share_of_weights, one_world, ranks_initialised])
@pytest.mark.parametrize("known", [True, False])
def test_lines_from_before_the_container_started_pass_nothing(one: Check, known: bool) -> None:
    evidence = numbered(healthy()) if known else healthy()
    for at, outcome in ((EARLIER, "unknown"), (AT, "pass"), (None, "pass")):
        old = change_looks(evidence, lambda look, at=at: stamped(look, at))  # type: ignore[misc]
        verdict = one.judge_evidence(old)
        assert verdict.outcome == outcome, verdict.says


@pytest.mark.parametrize("one", [one_world, ranks_initialised])
def test_a_process_that_started_in_the_same_container_later_has_lines_of_its_own(
    one: Check,
) -> None:
    def again(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        late = tuple(
            structs.replace(p, started_at="2026-01-15T09:25:00Z") for p in look.processes.processes
        )
        return structs.replace(look, processes=structs.replace(look.processes, processes=late))

    evidence = change_looks(numbered(healthy()), again)
    old = change_looks(evidence, lambda look: stamped(look, "2026-01-15T09:22:00Z"))
    assert one.judge_evidence(old).outcome == "unknown"
    new = change_looks(evidence, lambda look: stamped(look, "2026-01-15T09:26:00Z"))
    assert one.judge_evidence(new).outcome == "pass"


def twice(look: PodLook) -> PodLook:
    """The same processes, and a communicator more that an earlier start of their numbers made."""
    assert isinstance(look.nccl, NcclLog)
    (one,) = look.nccl.communicators
    both = (_at(one, EARLIER, id="0xold"), one)
    channel = structs.replace(look.nccl.channels[0], transport="NET/Socket", communicator="0xold")
    nccl = structs.replace(look.nccl, communicators=both, channels=(channel, *look.nccl.channels))
    return structs.replace(look, nccl=nccl)


def test_a_communicator_of_an_earlier_start_is_left_out_with_its_channels() -> None:
    log = group_of(change_looks(numbered(healthy()), twice)).log
    assert [c.id for c in log.communicators] == ["0xfd2c1a7b5e6d3c01"]
    assert all(c.communicator != "0xold" for c in log.channels)
    assert len(log.processes) == 16


def test_pools_are_counted_for_the_communicators_of_this_start_alone() -> None:
    mounts = ShmMounts.fold(change_looks(numbered(healthy()), twice))
    assert isinstance(mounts, ShmMounts)
    assert {p.need.least for p in mounts.pods} == {8 * 33_030_528}


def other_processes(look: PodLook) -> PodLook:
    """Lines of as many processes of other numbers, each in a communicator of its own start."""
    assert isinstance(look.nccl, NcclLog)
    (one,) = look.nccl.communicators
    ranks = tuple(structs.replace(r, pid=r.pid + 50) for r in one.ranks)
    comms = tuple(structs.replace(one, id=f"0x{i}", ranks=ranks) for i in range(4))
    every = (
        *look.nccl.processes,
        *(structs.replace(p, pid=p.pid + 50) for p in look.nccl.processes),
    )
    nccl = structs.replace(look.nccl, communicators=(one, *comms), processes=every)
    return structs.replace(look, nccl=nccl)


def test_processes_that_no_longer_run_need_no_shared_memory() -> None:
    mount = ShmMount(512 * MIB, "tmpfs", "/proc/101/mountinfo")
    evidence = change_looks(
        numbered(healthy()), lambda look: structs.replace(other_processes(look), shm=mount)
    )
    assert large_enough.judge_evidence(evidence).outcome == "pass"
    assert STARTED < AT
