"""What is forked does what a Python of its own does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.warm import warm


@pytest.mark.parametrize("words", [
    ["list", "-o", "json"], ["verify", "--no-such-option"], ["lint", "no-such-file"],
], ids=" ".join)  # fmt: skip
def test_a_forked_command_says_and_ends_as_one_of_its_own_python(
    words: list[str], tmp_path: Path
) -> None:
    ours = ["distcheck", *words]
    forked = warm().run(ours, cwd=tmp_path, strict=True)
    own = subprocess.run(
        [sys.executable, "-W", "error", "-m", *ours],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        cwd=tmp_path,
        check=False,
    )
    told = (forked.returncode, forked.stdout, forked.stderr)
    assert told == (own.returncode, own.stdout, own.stderr)


def test_a_forked_command_that_is_killed_says_by_what() -> None:
    reads, writes = os.pipe()
    with Path(os.devnull).open("wb") as file:
        nothing = file.fileno()
        process = warm().start(["distcheck", "logs", "-"], files=(reads, nothing, nothing))
        os.close(reads)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    os.close(writes)
