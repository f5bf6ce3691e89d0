"""A lab that is told to end, or is killed, leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.waiting import within

LAB = [sys.executable, "-m", "distcheck", "lab", "run", "healthy-tp16", "--"]


def _processes_of(mark: str) -> list[int]:
    """Live processes with `mark` in their environment: the lab and all that it started."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdigit() and mark.encode() in (entry / "environ").read_bytes()
        except OSError:
            continue
        found += [int(entry.name)] if ours else []
    return found


@pytest.fixture
def mark() -> str:
    return f"lab-{os.getpid()}-{time.monotonic_ns()}"


def _started(mark: str, folder: Path) -> subprocess.Popen[bytes]:
    """A lab whose command has begun."""
    own = {"DISTCHECK_LAB_RAY": "replayed", "TMPDIR": str(folder), "LAB_MARK": mark}
    began = folder / "began"
    command = [*LAB, "sh", "-c", f"touch {began}; exec sleep 300"]
    lab = subprocess.Popen(command, env=os.environ | own)
    assert within(60, began.exists)
    return lab


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are seen in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_lab_that_is_told_to_end_leaves_no_process_and_no_folder(
    mark: str, tmp_path: Path, number: int
) -> None:
    lab = _started(mark, tmp_path)
    assert within(60, lambda: len(_processes_of(mark)) >= 4)
    lab.send_signal(number)
    assert lab.wait(60) == 128 + number
    assert within(60, lambda: not _processes_of(mark))
    assert list(tmp_path.glob("distcheck-lab-*")) == []


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are seen in /proc")
def test_agents_of_a_lab_that_was_killed_end_by_themselves(mark: str, tmp_path: Path) -> None:
    lab = _started(mark, tmp_path)
    lab.kill()
    lab.wait()
    assert within(60, lambda: len(_processes_of(mark)) <= 1), "only the command itself may stay"
    for pid in _processes_of(mark):
        os.kill(pid, signal.SIGKILL)
