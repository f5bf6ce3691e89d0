"""Command lines of SGLang, TensorRT-LLM and MPI, and of vLLM's data-parallel groups."""

import pytest

from distcheck.agent.logs.argv import EngineFlags, engine_flags
from distcheck.agent.logs.argv_engines import Server, server_of


def server(line: str) -> Server:
    found = server_of(line.split())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "engine", "layout"),
    [
        ("python3 -m sglang.launch_server --model-path m --tp 16 --nnodes 2", "sglang", (16, None)),
        ("sglang serve --model m --tp-size=8 --pp_size 2", "sglang", (8, 2)),
        ("python -m sglang.launch_server --tensor-parallel-size 4", "sglang", (4, None)),
        ("trtllm-serve m --tp_size 8 --pp-size 2", "triton-trtllm", (8, 2)),
        ("trtllm-llmapi-launch trtllm-serve serve m --tp_size 16", "triton-trtllm", (16, None)),
        ("mpirun -np 16 tritonserver --model-repository=/x", "triton-trtllm", (None, None)),
        ("python3 ./server.py leader --pp=8 --tp=2", "triton-trtllm", (2, 8)),
        ("python3 launch_triton_server.py --world_size 4", "triton-trtllm", (None, None)),
        ("torchrun --nnodes 2 -m vllm.entrypoints.cli.main serve m -tp 4", "vllm", (4, None)),
    ],
)
def test_each_engine_names_its_layout(
    line: str, engine: str, layout: tuple[int | None, int | None]
) -> None:
    found = server(line)
    assert (found.engine, (found.flags.tp, found.flags.pp)) == (engine, layout)


@pytest.mark.parametrize(
    ("line", "ranks"),
    [("mpirun --host a:8,b:8 -n 16 tritonserver", 16), ("mpiexec -np 4 trtllm-serve m", 4),
     ("launch_triton_server.py --world_size=4 --model_repo=/x", 4), ("tritonserver", None),
     ("torchrun --nnodes=2 --nproc_per_node 8 tritonserver", 16),
     ("mpirun -n 1 trtllm-serve m --tp_size 16 : -n 15 python3 -m mpi4py.futures", 16),
     ("mpirun -n 1 tritonserver : trtllm-llmapi-launch x", None)],
)  # fmt: skip
def test_a_launcher_says_how_many_ranks_it_starts(line: str, ranks: int | None) -> None:
    assert server(line).ranks == ranks


def test_degrees_of_a_built_engine_are_not_one_by_default() -> None:
    assert not server("mpirun -n 16 tritonserver").is_whole
    assert server("trtllm-serve m").is_whole


def test_copies_of_attention_inside_a_tp_group_ask_for_no_gpus_of_their_own() -> None:
    attention = "--tp 16 --dp 16 --enable-dp-attention --ep 16"
    found = server(f"python3 -m sglang.launch_server {attention}").flags
    assert (found.tp, found.dp, found.ep) == (16, 1, True)
    assert server("python3 -m sglang.launch_server --tp 4 --dp 2").flags.dp == 2


@pytest.mark.parametrize("argv", [["sleep", "1"], [], ["sglang"], ["server.py", "worker"]])
def test_what_starts_no_server_asks_for_nothing(argv: list[str]) -> None:
    assert server_of(argv) is None


def test_a_data_parallel_group_of_vllm() -> None:
    line = ("vllm serve m -dp 16 -dpl 8 -dpa 10.0.0.1 -dpp 13345 --data-parallel-start-rank 8 "
            "--data-parallel-hybrid-lb")  # fmt: skip
    assert server(line).flags == EngineFlags(
        model="m", dp=16, dp_local=8, dp_address="10.0.0.1", dp_rpc_port=13345, dp_start=8,
        dp_hybrid_lb=True,
    )  # fmt: skip


def test_a_model_behind_the_flags_is_found_where_no_flag_is_strange() -> None:
    assert server("vllm serve -tp 16 --trust-remote-code m").flags.model == "m"
    assert server("vllm serve --strange x").flags.model is None


def test_a_switch_can_be_taken_back() -> None:
    found = server("vllm serve m --enable-expert-parallel --no-enable-expert-parallel")
    assert found.flags.ep is False


def test_servers_of_one_script_that_differ_do_not_say_one_layout() -> None:
    found = engine_flags(["sh", "-c", "vllm serve m -tp 8 -pp 2 & vllm serve m -tp 4 -pp 2"])
    assert found is not None
    assert (found.model, found.tp, found.pp, found.unread) == ("m", None, 2, ("tp",))


@pytest.mark.parametrize(
    ("line", "here"),
    [
        ("ray job submit --address http://ray-head:8265 -- vllm serve m -tp 8", False),
        ("ray job submit --address=http://ray-head:8265 -- vllm serve m -tp 8", False),
        ("ray job submit --address http://127.0.0.1:8265 -- vllm serve m -tp 8", True),
        ("ray job submit -- vllm serve m -tp 8", True),
        ("kubectl exec llm-0 -- vllm serve m -tp 8", False),
    ],
)
def test_a_server_that_a_command_starts_in_another_pod_is_not_this_pods(
    line: str, here: bool
) -> None:
    assert (server_of(line.split()) is not None) == here
