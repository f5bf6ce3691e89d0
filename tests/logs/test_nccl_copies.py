"""Lines that Ray prints once more in its driver's log: known as copies, counted once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.logs.nccl_lines import HOSTS, job
from tests.logs.test_nccl_reader import RAY, nccl, read

from distcheck.agent.logs.nccl_grammar import is_copy
from distcheck.checks.knowledge.nccl_merge import merge


@pytest.mark.parametrize(
    ("before", "copy"),
    [
        ("(RayWorkerWrapper pid=9, ip=10.0.0.2) ", True),
        ("\x1b[36m(RayWorkerWrapper pid=9)\x1b[0m ", True),
        ("(pid=9, ip=fd00::2) ", True),
        ("(EngineCore_DP0 pid=96) (RayWorkerWrapper pid=581, ip=10.0.0.2) ", True),
        ("(ServeReplica:llm:LLMServer pid=9) ", True),
        ("(Worker_TP3 pid=221) ", False),
        ("(VllmWorker rank=1 pid=221) ", False),
        ("(EngineCore_DP0 pid=96) ", False),
        ("[1,3]<stdout>:", False),
        ("2026-03-01T08:10:41Z ", False),
        ("", False),
    ],
)
def test_rays_prefix_is_known_from_those_of_vllm_and_launchers(before: str, copy: bool) -> None:
    assert is_copy(before) is copy


@given(st.text(alphabet="(Ray pid=9, ip=10.)\x1b[36m", max_size=400))
def test_any_text_before_a_message_is_survived(before: str) -> None:
    assert is_copy(before) in (True, False)


def test_a_process_that_only_ray_tells_of_is_marked() -> None:
    assert all(p.copied for p in nccl([RAY + x for x in job()]).processes)
    assert not any(p.copied for p in nccl(job()).processes)


def test_a_process_that_speaks_for_itself_in_one_file_is_no_copy() -> None:
    own, copies = read(job(), "own").nccl, read([RAY + x for x in job()], "driver").nccl
    for logs in ([own, copies], [copies, own]):
        assert not any(p.copied for p in merge(logs).processes)


def test_channels_that_ray_copied_are_counted_once() -> None:
    own, copies = read(job(), "own").nccl, read([RAY + x for x in job()], "driver").nccl
    for logs in ([own, copies], [copies, own]):
        whole = merge(logs)
        assert {c.source.partition(":")[0] for c in whole.channels} == {"own"}
        assert sum(c.count for c in whole.channels) == sum(c.count for c in own.channels)
    again = merge([copies, copies])
    assert len(again.channels) == len(copies.channels)


def test_a_copy_whose_communicator_is_folded_away_is_counted_once() -> None:
    own = nccl(job())
    lines = [RAY + x for x in job() if " Channel " in x or "Using network" in x]
    bare = read(lines, "driver").nccl
    assert {c.communicator for c in bare.channels} == {""}
    whole = merge([bare, own])
    assert sum(c.count for c in whole.channels) == sum(c.count for c in own.channels)


def test_copies_of_another_communicator_than_the_rest_of_a_rotated_file_are_kept() -> None:
    own, copies = nccl(job()), nccl([RAY + x for x in job()])
    other = replace(
        copies, channels=tuple(replace(c, communicator="0xbeef") for c in copies.channels)
    )
    assert len(merge([own, other]).channels) == 2 * len(own.channels)


def test_rotated_files_of_one_process_are_added_up() -> None:
    own = nccl(job())
    whole = merge([own, own])
    assert sum(c.count for c in whole.channels) == 2 * sum(c.count for c in own.channels)


def test_each_file_keeps_the_time_of_its_last_write() -> None:
    first, second = (replace(nccl(job(hosts=[h])), written={h: h}) for h in HOSTS)
    assert merge([first, second]).written == {h: h for h in HOSTS}
