"""TP, PP, DP and weights by rank where only the workers' own lines are left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.vllm import VllmReader
from distcheck.checks.logs_engine import VllmPart, vllm_part

ASSIGNED = "rank {} in world size {} is assigned as DP rank {}, PP rank {}, TP rank {}, EP rank {}"


def read(*lines: str) -> VllmPart:
    reader = VllmReader("0.log")
    for number, line in enumerate(lines, 1):
        reader.line(number, None, line)
    return vllm_part(reader.result())


def test_a_worker_that_says_rank_and_place_gives_the_whole_layout() -> None:
    part = read(
        f"(Worker pid=9) {ASSIGNED.format(1, 2, 0, 0, 1, 'N/A')}",
        "(Worker_TP1 pid=9) Starting to load model org/model...",
    )
    assert (part.tp, part.pp, part.dp, part.model) == (2, 1, 1, "org/model")


def test_another_processes_label_does_not_say_what_this_world_leaves_out() -> None:
    part = read(
        f"(Worker pid=154) {ASSIGNED.format(0, 16, 0, 0, 0, 0)}",
        "(Worker_TP12 pid=114) ERROR [x.py:1] EngineCore failed to start",
    )
    assert (part.tp, part.pp, part.dp) == (16, None, None)


def test_an_index_that_fits_two_degrees_proves_neither() -> None:
    part = read(
        f"(Worker pid=9) {ASSIGNED.format(3, 16, 0, 0, 3, 3)}",
        "(Worker_PP0_TP3 pid=9) Starting to load model org/model...",
    )
    assert part.tp is None


@pytest.mark.parametrize("last", [1, 3])
def test_ranks_of_one_world_that_name_their_engine_give_dp(last: int) -> None:
    config = "Initializing a V1 LLM engine (v0.9.1) with config: model='m', "
    part = read(
        f"(DPEngineCoreActor pid=1) {config}tensor_parallel_size=1, pipeline_parallel_size=1",
        f"(DPEngineCoreActor pid=1) {ASSIGNED.format(last, last + 1, last, 0, 0, last)}",
        "(DPEngineCoreActor pid=1) Model loading took 3.3375 GiB and 17.1 seconds",
    )
    assert (part.dp, part.executor, part.world_size) == (last + 1, "uni", last + 1)


def test_ranks_named_by_the_lines_themselves_make_a_map() -> None:
    lines = [
        f"(VllmWorker rank={r} pid={r + 7}) Model loading took 8.25 GiB and 2 s" for r in range(4)
    ]
    assert read(*lines).weights_gib_by_rank == {str(r): 8.25 for r in range(4)}


def test_stages_that_differ_make_a_map_by_the_ranks_of_their_processes() -> None:
    part = read(
        f"(RayWorkerWrapper pid=3) {ASSIGNED.format(0, 2, 0, 0, 0, 0)}",
        f"(RayWorkerWrapper pid=4) {ASSIGNED.format(1, 2, 0, 1, 0, 0)}",
        "(RayWorkerWrapper pid=4) Model loading took 7.5 GiB and 2 seconds",
        "(RayWorkerWrapper pid=3) Model loading took 8.5 GiB and 2 seconds",
    )
    assert part.weights_gib_by_rank == {"0": 8.5, "1": 7.5}


def test_two_engines_with_a_rank_0_each_are_not_one_rank() -> None:
    part = read(
        *(
            line
            for pid, gib in ((1, 8.5), (2, 7.5))
            for line in (
                f"(EngineCore_DP{pid} pid={pid}) {ASSIGNED.format(0, 1, 0, 0, 0, 0)}",
                f"(EngineCore_DP{pid} pid={pid}) Model loading took {gib} GiB and 2 seconds",
            )
        )
    )
    assert part.weights_gib_by_rank == [8.5, 7.5]


def test_lines_that_ray_folded_give_their_value_and_no_ranks() -> None:
    line = "(RayWorkerWrapper pid=687) Model loading took 51.1453 GiB and 61.8 seconds"
    part = read(
        f"(RayWorkerWrapper pid=689) {ASSIGNED.format(0, 4, 0, 0, 0, 0)}",
        line,
        f"{line.replace('687', '689')} [repeated 3x across cluster]",
    )
    assert part.weights_gib_by_rank == 51.1453


def test_arguments_left_out_are_defaults_only_where_all_others_are_printed() -> None:
    args = "non-default args: {'model': 'm', 'data_parallel_size': 2}"
    new = read("vLLM API server version 0.9.1", args)
    old = read("vLLM API server version 0.8.5.dev1470+g7198abe4f", args)
    assert (new.tp, new.pp, new.dp) == (1, 1, 2)
    assert (old.tp, old.pp, old.dp) == (None, None, 2)


def test_expert_parallelism_is_told_by_the_engine_not_by_its_arguments() -> None:
    args = "args: Namespace(model='m', enable_expert_parallel=True, tensor_parallel_size=2)"
    line = "[EP Rank 0/2] Expert parallelism is enabled. Local/global number of experts: 2/4."
    assert read(args).ep is None
    assert read(args, line).ep is True


def test_a_world_that_data_parallelism_changed_counts_as_changed() -> None:
    part = read(
        "(EngineCore_1 pid=4) world_size=1 rank=0 local_rank=0 distributed_init_method=tcp://h:1 x",
        "(EngineCore_1 pid=4) Adjusting world_size=2 rank=1 distributed_init_method=tcp://h:1 for",
        f"(EngineCore_1 pid=4) {ASSIGNED.format(1, 2, 1, 0, 0, 1)}",
    )
    assert part.world_size == 2


_NUMBER = st.integers(0, 20)


@given(st.lists(st.tuples(_NUMBER, _NUMBER, _NUMBER, _NUMBER), max_size=8))
def test_no_numbers_make_the_layout_raise_or_exceed_the_world(
    said: list[tuple[int, int, int, int]],
) -> None:
    lines = [
        f"(Worker_PP{pp}_TP{tp} pid={rank}) {ASSIGNED.format(rank, world, 0, pp, tp, 0)}"
        for rank, world, pp, tp in said
    ]
    part = read(
        *lines, *(line.replace("is assigned", "Model loading took 1 GiB") for line in lines)
    )
    assert part.tp is None or part.tp <= (part.world_size or 0)
