"""How long commands and judging take, against a Python that does nothing. Asserts no time."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from tests.evidence_builder import healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import encode_evidence
from distcheck.checks.judging import judge

pytestmark = pytest.mark.bench
RUNS = 9


def seconds(job: Callable[[], object], runs: int = RUNS) -> float:
    """The median of several runs."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return median(times)


def tell(line: str) -> None:
    """One line of the result, shown with `pytest -s`."""
    sys.stdout.write(f"\n{line}")


def process(*words: str) -> Callable[[], object]:
    """Runs Python with these words."""
    return lambda: subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=False)


def test_commands_as_whole_processes(tmp_path: Path) -> None:
    path = tmp_path / "healthy.json"
    path.write_bytes(encode_evidence(healthy()))
    nothing = seconds(process("-c", "pass"))
    for name, words in (
        ("--help", ["--help"]),
        ("list", ["list"]),
        ("verify --evidence", ["verify", "--evidence", str(path)]),
        ("verify --help", ["verify", "--help"]),
    ):
        took = seconds(process("-m", "distcheck", *words))
        tell(f"{name:<20} {took * 1000:7.1f} ms  {took / nothing:5.1f} x `python -c pass`")


@pytest.mark.parametrize("nodes", [10, 100, 1000])
def test_judging_grows_with_the_group(nodes: int) -> None:
    fresh = [healthy(nodes) for _ in range(3)]  # what is found once is kept beside the evidence
    took = seconds(lambda: judge(fresh.pop(), catalog()), 3)
    each = took / nodes * 1e6
    tell(f"judge {nodes:>5} nodes x 8 GPUs  {took * 1000:9.1f} ms  {each:7.0f} us a node")
