"""A failed test is run again only where the machine was seen to stand still meanwhile."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.standstill import Standstill

PLUGIN = """
import pytest
from tests.standstill import Again, Standstill

class Told(Standstill):
    def was_seen(self):
        return {seen}

def pytest_configure(config):
    config.pluginmanager.register(Again(Told()))
"""
TESTS = """
from pathlib import Path

def test_that_fails_once():
    again = Path({folder!r}, "again")
    there = again.exists()
    again.touch()
    assert there

def test_that_passes():
    pass
"""


def _run(folder: Path, *, seen: bool) -> tuple[int, str]:
    (folder / "conftest.py").write_text(PLUGIN.format(seen=seen))
    (folder / "test_one.py").write_text(TESTS.format(folder=str(folder)))
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [*words, str(folder)], env=env, cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_a_failure_while_the_machine_stood_still_is_run_again_and_told(tmp_path: Path) -> None:
    code, said = _run(tmp_path, seen=True)
    assert code == 0, said
    assert "2 passed, 1 rerun" in said
    assert "AGAIN test_one.py::test_that_fails_once: the machine stood still" in said


def test_a_failure_of_a_machine_that_went_on_stays_one(tmp_path: Path) -> None:
    code, said = _run(tmp_path, seen=False)
    assert code == 1
    assert "1 failed, 1 passed" in said
    assert "rerun" not in said


WATCHES = """
import sys
from tests.standstill import Standstill
watch = Standstill()
watch.start()
watch.begin()
print("begun", flush=True)
sys.stdin.readline()
print(watch.was_seen(), flush=True)
"""


@pytest.mark.parametrize("stops", [True, False])
def test_a_process_that_was_stopped_is_seen_to_have_stood_still(*, stops: bool) -> None:
    words = [sys.executable, "-c", WATCHES]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        assert one.stdout.readline() == b"begun\n"
        if stops:
            one.send_signal(signal.SIGSTOP)
            time.sleep(1)
            one.send_signal(signal.SIGCONT)
        out, _ = one.communicate(b"\n")
    assert out == f"{stops}\n".encode()


def test_standstills_before_a_test_do_not_count() -> None:
    watch = Standstill()
    watch._last = time.monotonic() + 3600
    assert watch.was_seen()
    watch._begun = watch._last + 1
    assert not watch.was_seen()
