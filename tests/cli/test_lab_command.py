"""`lab run`: which words go where."""

import sys

import pytest

from distcheck.agent.cli.exit import Stop
from distcheck.agent.cli.lab import _command

OURS = [sys.executable, "-m", "distcheck"]


@pytest.mark.parametrize(
    ("rest", "command"),
    [
        ([], [*OURS, "verify", "vllm-head-0"]),
        (["-o", "json"], [*OURS, "verify", "vllm-head-0", "-o", "json"]),
        (["--"], [*OURS, "verify", "vllm-head-0"]),
        (["--", "verify", "sts/vllm-head"], [*OURS, "verify", "sts/vllm-head"]),
        (["--", "sh", "-c", "exit 7"], ["sh", "-c", "exit 7"]),
    ],
)
def test_a_command_of_ours_or_any_program(rest: list[str], command: list[str]) -> None:
    assert _command(rest) == command


def test_options_before_a_command_would_reach_nobody() -> None:
    with pytest.raises(Stop, match="stands before --"):
        _command(["-o", "json", "--", "kubectl", "get", "pods"])
