"""SHM001: the need, counted by hand from the sizes of NCCL's pools and of vLLM's ring."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, starting

from distcheck.checks.evidence import Evidence, Gpus, Missing, NcclLog, PodLook, ShmMount
from distcheck.checks.facts.shm import ShmMounts
from distcheck.checks.knowledge.shm import MIB, shm_need
from distcheck.checks.shm.large_enough import large_enough


def test_eight_ranks_in_four_communicators_of_nccl_2_27_need_about_a_gib() -> None:
    need = shm_need(8, 4, "2.27.3")
    assert need.least == 8 * 4 * 33_030_528 == 1_056_976_896
    assert round(need.least / 2**30, 2) == 0.98
    assert need.enough == need.least + 160 * MIB


def test_64_mib_hold_two_ranks_of_nccl_2_27_and_not_three() -> None:
    assert shm_need(2, 1, "2.27.3").least < 64 * MIB < shm_need(3, 1, "2.27.3").least


def test_64_mib_hold_eight_ranks_of_an_old_nccl_and_not_ten() -> None:
    assert shm_need(8, 1, "2.21.5").least < 64 * MIB < shm_need(10, 1, "2.21.5").least


@settings(deadline=None)
@given(
    st.integers(0, 64),
    st.none() | st.integers(0, 16),
    st.none() | st.text() | st.from_regex(r"\A2\.\d{1,2}\.\d"),
)
def test_what_is_enough_is_never_below_what_is_needed(
    ranks: int, communicators: int | None, version: str | None
) -> None:
    need = shm_need(ranks, communicators, version)
    assert 0 <= need.least < need.enough
    assert str(round(need.enough / MIB)) in need.enough_says


@settings(deadline=None)
@given(st.integers(1, 64))
def test_an_unknown_release_fails_no_pod_that_some_release_fits_in(ranks: int) -> None:
    unknown = shm_need(ranks, 1, None)
    for version in ("2.18.3", "2.21.5", "2.26.2", "2.27.3", "2.30.7"):
        known = shm_need(ranks, 1, version)
        assert unknown.least <= known.least
        assert unknown.enough >= known.enough


def _mounted(size: int, evidence: Evidence | None = None) -> Evidence:
    mount = ShmMount(size, "tmpfs", "/proc/101/mountinfo")
    return change_looks(
        evidence or starting(healthy()), lambda look: structs.replace(look, shm=mount)
    )


@pytest.mark.parametrize(
    ("size", "outcome"),
    [
        (8 * 33_030_528 - 1, "fail"),
        (8 * 33_030_528, "warn"),
        (8 * 33_030_528 + 160 * MIB - 1, "warn"),
        (8 * 33_030_528 + 160 * MIB, "pass"),
    ],
)
def test_the_verdict_turns_at_the_byte(size: int, outcome: str) -> None:
    assert large_enough.judge_evidence(_mounted(size)).outcome == outcome


def _needs(ranks: int, *, channels: bool) -> tuple[set[int], set[int]]:
    """Pools at least and at most, with the first `ranks` of each pod in a second communicator."""

    def twice(look: PodLook) -> PodLook:
        log = look.nccl
        assert isinstance(log, NcclLog)
        (one,) = log.communicators
        second = structs.replace(one, id="0x2", ranks=one.ranks[:ranks], nranks=2 * ranks)
        more = tuple(structs.replace(c, communicator="0x2") for c in log.channels)
        both = structs.replace(log, communicators=(one, second))
        return structs.replace(
            look,
            nccl=structs.replace(both, channels=(*log.channels, *more)) if channels else both,
        )

    mounts = ShmMounts.fold(change_looks(healthy(), twice))
    assert isinstance(mounts, ShmMounts)
    needs = [p.need for p in mounts.pods]
    least = {n.least // 33_030_528 for n in needs}
    return least, {(n.enough - n.ring) // 33_030_528 for n in needs}


def test_a_second_communicator_between_the_nodes_doubles_the_need() -> None:
    assert _needs(8, channels=True) == ({16}, {16})


def test_a_second_communicator_of_one_rank_adds_one_pool() -> None:
    assert _needs(1, channels=True) == ({9}, {9})


def test_a_communicator_without_a_channel_has_no_pool_yet() -> None:
    """NCCL makes it with the first connection that needs its proxy."""
    assert _needs(8, channels=False) == ({8}, {16})


def test_a_communicator_within_the_node_adds_nothing() -> None:
    def beside(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        (one,) = look.nccl.communicators
        both = (one, structs.replace(one, id="0x2", nodes=1, nranks=8))
        return structs.replace(look, nccl=structs.replace(look.nccl, communicators=both))

    mounts = ShmMounts.fold(change_looks(healthy(), beside))
    assert isinstance(mounts, ShmMounts)
    assert {p.need.least for p in mounts.pods} == {8 * 33_030_528}


def test_without_nvml_one_rank_for_each_gpu_of_the_spec_is_counted_and_said() -> None:
    evidence = healthy()
    nodes = tuple(structs.replace(n, gpus=Gpus(())) for n in evidence.nodes)
    mounts = ShmMounts.fold(structs.replace(evidence, nodes=nodes))
    assert isinstance(mounts, ShmMounts)
    assert {p.basis for p in mounts.pods} == {"8 GPUs in its spec, one rank each"}
    assert {p.need.least for p in mounts.pods} == {8 * 33_030_528}


def _one_process_a_node(evidence: Evidence) -> Evidence:
    nodes = []
    for node in evidence.nodes:
        assert not isinstance(node.gpus, Missing)
        first = structs.replace(node.gpus, processes=node.gpus.processes[:1])
        nodes.append(structs.replace(node, gpus=first))
    return structs.replace(evidence, nodes=tuple(nodes))


def test_ranks_that_have_yet_to_start_fail_nothing_but_must_find_room_to_pass() -> None:
    evidence = _one_process_a_node(starting(healthy()))
    assert large_enough.judge_evidence(_mounted(64 * MIB, evidence)).outcome == "warn"
    assert large_enough.judge_evidence(_mounted(400 * MIB, evidence)).outcome == "warn"
    assert large_enough.judge_evidence(_mounted(413 * MIB, evidence)).outcome == "pass"


def _within_the_node(look: PodLook) -> PodLook:
    assert isinstance(look.nccl, NcclLog)
    (one,) = look.nccl.communicators
    inside = (structs.replace(one, nodes=1, nranks=8),)
    nccl = structs.replace(look.nccl, communicators=inside, start_seen=False)
    return structs.replace(look, nccl=nccl)


def test_a_log_that_lost_its_start_does_not_show_that_no_communicator_leaves_the_node() -> None:
    mounts = ShmMounts.fold(change_looks(healthy(), _within_the_node))
    assert isinstance(mounts, ShmMounts)
    assert {p.need.least for p in mounts.pods} == {8 * 33_030_528}


def test_a_communicator_that_was_closed_holds_no_pool() -> None:
    def closed(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        (one,) = look.nccl.communicators
        ranks = tuple(structs.replace(r, closed=True) for r in one.ranks)
        both = (one, structs.replace(one, id="0x2", ranks=ranks))
        return structs.replace(look, nccl=structs.replace(look.nccl, communicators=both))

    mounts = ShmMounts.fold(change_looks(healthy(), closed))
    assert isinstance(mounts, ShmMounts)
    assert {p.need.least for p in mounts.pods} == {8 * 33_030_528}


def test_a_communicator_over_nvlink_between_nodes_needs_no_pool_for_sure() -> None:
    def fabric(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        comms = tuple(structs.replace(c, mnnvl=True) for c in look.nccl.communicators)
        return structs.replace(look, nccl=structs.replace(look.nccl, communicators=comms))

    mounts = ShmMounts.fold(change_looks(healthy(), fabric))
    assert isinstance(mounts, ShmMounts)
    assert {p.need.least for p in mounts.pods} == {0}


def test_a_profiler_on_a_gpu_is_no_rank() -> None:
    """Where ranks have their titles, nobody else has a pool."""
    evidence = healthy()
    gpus = evidence.nodes[0].gpus
    assert isinstance(gpus, Gpus)
    guest = structs.replace(gpus.processes[0], pid=4242, title="python3", memory_used=1 << 28)
    seen = structs.replace(gpus, processes=(*gpus.processes, guest))
    nodes = (structs.replace(evidence.nodes[0], gpus=seen), *evidence.nodes[1:])
    mounts = ShmMounts.fold(structs.replace(evidence, nodes=nodes))
    assert isinstance(mounts, ShmMounts)
    assert {p.need.least for p in mounts.pods} == {8 * 33_030_528}
    assert all(p.up for p in mounts.pods)
