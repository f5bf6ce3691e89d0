"""By which flags servers meet: any words are taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.checks.knowledge.meeting_flags import meets_by

VLLM = "vllm serve m"
WORDS = st.sampled_from(
    [
        "vllm",
        "serve",
        "--nnodes",
        "-n",
        "2",
        "--master_port",
        "-dpp",
        "--dist-init-addr=a:5",
        "-r",
        "--master-port=",
        "=",
        "99999",
        "9" * 400,
        "--data-parallel-address",
        "--headless",
        "\uff12",
    ]
)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{VLLM} --nnodes 2", ("--master-port", 29501, True)),
        (f"{VLLM} -n 2 --node_rank=1 --master_port 4000", ("--master-port", 4000, False)),
        (f"{VLLM} --nnodes 2 --master-port 99999", ("--master-port", 29501, True)),
        (f"{VLLM} -dpa a", ("--data-parallel-rpc-port", 29550, True)),
        (f"{VLLM} -dpp=13345 --headless", ("--data-parallel-rpc-port", 13345, False)),
        ("sglang --nnodes 2 --dist-init-addr [fd00::1]:5000", ("--dist-init-addr", 5000, True)),
        ("sglang --dist-init-addr a:5000", None),
        (f"{VLLM} --master-port 29500", None),
        ("python3 other.py --nnodes 2", None),
        ("", None),
    ],
)
def test_flags_say_where_servers_meet(line: str, expected: tuple[str, int, bool] | None) -> None:
    """A server of one node meets nobody."""
    found = meets_by(line.split())
    assert (None if found is None else (found.way, found.port, found.leads)) == expected


@given(st.lists(st.one_of(WORDS, st.text(max_size=20)), max_size=40))
def test_any_words_are_taken(words: list[str]) -> None:
    """A port that is found is one."""
    found = meets_by(words)
    assert found is None or 0 < found.port < 65_536
