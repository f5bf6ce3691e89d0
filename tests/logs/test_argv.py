"""Command lines of vLLM and Ray, as pods and /proc have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.argv import EngineFlags, RayStart, engine_flags, ray_start
from distcheck.agent.logs.shell import commands

SERVE = ["/usr/bin/python3", "/usr/local/bin/vllm", "serve", "/models/llama"]


def flags(*words: str) -> EngineFlags:
    found = engine_flags([*SERVE, *words])
    assert found is not None
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("--tensor-parallel-size", "8"),
        ("--tensor-parallel-size=8",),
        ("--tensor_parallel_size", "8"),
        ("--tensor-par", "8"),
        ("-tp", "8"),
        ("-tp=8",),
        ("-tp", "2", "--tensor-parallel-size=8"),
    ],
)
def test_tensor_parallel_size_in_every_spelling(words: tuple[str, ...]) -> None:
    assert flags(*words) == EngineFlags(model="/models/llama", tp=8)


def test_a_flag_that_is_not_there_is_none_not_one() -> None:
    assert flags().tp is None
    assert flags("-tp2").tp is None


def test_a_prefix_that_fits_two_flags_is_not_read() -> None:
    assert flags("--data-parallel", "4").dp is None
    assert flags("--data-parallel-size-local", "4").dp is None


def test_a_number_that_a_shell_has_yet_to_fill_in_is_named() -> None:
    found = flags("-tp", "$TP")
    assert (found.tp, found.unread) == (None, ("tp",))


def test_the_last_one_wins_also_when_it_cannot_be_read() -> None:
    assert flags("-tp", "8", "-tp", "${N}").tp is None


def test_the_old_entry_point() -> None:
    argv = ["python3", "-m", "vllm.entrypoints.openai.api_server", "--model", "m", "-pp", "2"]
    assert engine_flags(argv) == EngineFlags(model="m", pp=2)


def test_flags_of_several_nodes_without_ray() -> None:
    found = flags("--nnodes", "2", "-r", "1", "--master-addr", "10.0.0.1", "--headless")
    assert (found.nnodes, found.node_rank, found.master_addr) == (2, 1, "10.0.0.1")
    assert found.headless


_RAY = "ray start --head --port=6379 --num-gpus 8"
_SHELLS = [
    ["bash", "-c", f"{_RAY}; vllm serve m -tp 16"],
    ["/bin/sh", "-ec", f"{_RAY} &&\n  vllm serve m \\\n -tp 16"],
    ["env", "A=b", "bash", "-lc", f'bash -c "{_RAY} && exec vllm serve m -tp 16"'],
    [f"{_RAY}; vllm serve m -tp 16"],
    ["/bin/bash", "-lc", "--", f"{_RAY}; vllm serve m -tp 16"],
]


@pytest.mark.parametrize("argv", _SHELLS)
def test_shell_strings_hold_both(argv: list[str]) -> None:
    assert engine_flags(argv) == EngineFlags(model="m", tp=16)
    assert ray_start(argv) == RayStart(head=True, port=6379, num_gpus=8)


def test_a_ray_worker_names_its_head() -> None:
    found = ray_start(["ray", "start", "--address=vllm-head-0.vllm-head:6379", "--block"])
    assert found == RayStart(head=False, address="vllm-head-0.vllm-head:6379", block=True)


@pytest.mark.parametrize("argv", [[], ["sleep", "1"], ["ray", "status"], ["vllm", "bench"]])
def test_other_commands_ask_for_nothing(argv: list[str]) -> None:
    assert engine_flags(argv) is None
    assert ray_start(argv) is None


def test_words_of_a_string_with_an_open_quote_are_still_read() -> None:
    assert engine_flags(["bash", "-c", "vllm serve m -tp 4 'x"]) == EngineFlags(model="m", tp=4)


_WORD = st.sampled_from(
    ["bash", "-c", "vllm", "serve", "-tp", "--", "-", "=", "'", '"', ";", "$(x)", "ray", "start"]
)


@given(st.lists(_WORD | st.text(max_size=12), max_size=12))
def test_no_command_line_raises(argv: list[str]) -> None:
    engine_flags(argv)
    ray_start(argv)
    assert list(commands([" ".join(argv)])) is not None
