"""How fast logs are read, as ratios of one run. No time is asserted, for machines are noisy.

Processor time is compared: that of `grep -c NCCL` on the same file, and that of xcl-lens.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.bench import serving_logs

from distcheck.agent.logs.files import distil_file

pytestmark = pytest.mark.bench
KINDS: dict[str, tuple[Callable[[], bytes], int]] = {
    "none": (serving_logs.access, 300_000_000),
    "mixed": (serving_logs.mixed, 150_000_000),
    "pure": (serving_logs.pure, 60_000_000),
}
AIMS = {"none": "aim 0.67", "mixed": "aim 0.33", "pure": "aim 100 MB/s"}
XCL_LENS = (
    sys.executable,
    "-m",
    "uv",
    "tool",
    "run",
    "--quiet",
    "--from",
    "xcl-lens==0.3.0",
    "xcl-lens",
    "--verbose",
)
PEAK = """
import re, sys
from distcheck.agent.logs.describe import report
report([sys.argv[1]])
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


def written(path: Path, once: bytes, size: int) -> Path:
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(once)
    return path


def spent(*command: str | Path) -> tuple[float, str]:
    """Seconds of processor time that a command took, and what it printed."""
    before = os.times()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = os.times()
    took = after.children_user + after.children_system
    return max(took - before.children_user - before.children_system, 0.01), done.stdout


def told(text: str) -> None:
    print(f"\n{text}")  # noqa: T201 - the result


@pytest.mark.skipif(shutil.which("grep") is None, reason="no grep on this machine")
@pytest.mark.parametrize("kind", KINDS)
def test_reading_against_grep(kind: str, tmp_path: Path) -> None:
    make, size = KINDS[kind]
    path = written(tmp_path / "pod.log", make(), size)
    grep = min(spent("env", "LC_ALL=C", "grep", "-c", "NCCL", path)[0] for _ in range(3))
    begun = os.times()
    found = distil_file(str(path))
    done = os.times()
    ours = done.user + done.system - begun.user - begun.system
    speed = path.stat().st_size / ours / 1e6
    told(f"{kind}: {speed:.0f} MB/s, {grep / ours:.3f} of grep's speed ({AIMS[kind]})")
    assert found.bytes == path.stat().st_size


def test_a_log_of_one_gib_takes_little_memory(tmp_path: Path) -> None:
    path = written(tmp_path / "pod.log", serving_logs.pure() + serving_logs.mixed(), 1 << 30)
    seconds, printed = spent(sys.executable, "-c", PEAK, path)
    told(f"1 GiB: {seconds:.1f} s, peak memory {int(printed) // 1024} MiB (aim 64)")


def test_reading_against_xcl_lens(tmp_path: Path) -> None:
    path = written(tmp_path / "pod.log", serving_logs.pure(stamped=False), 15_000_000)
    if "Report" not in spent(*XCL_LENS, path)[1]:
        pytest.skip("xcl-lens cannot be had here")
    theirs, _ = spent(*XCL_LENS, path)
    ours, printed = spent(sys.executable, "-m", "distcheck", "logs", path)
    assert "64 of 64" in printed
    told(f"the whole command, 15 MB: {theirs / ours:.1f} times as fast as xcl-lens")
