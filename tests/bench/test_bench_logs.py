"""How long distilling takes against `grep -c 'NCCL '` on the same file. Asserts no time."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from tests.logs.nccl_lines import job, text

from distcheck.agent.logs.distil import distil_file

ACCESS = b'INFO:     10.0.0.9:4312 - "POST /v1/completions HTTP/1.1" 200 OK\n'


@pytest.mark.bench
@pytest.mark.skipif(shutil.which("grep") is None, reason="no grep on this machine")
@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_distilling_against_grep(kind: str, tmp_path: Path) -> None:
    once = text(job())
    body = once * 400 if kind == "dense" else once + ACCESS * 400_000
    path = tmp_path / "pod.log"
    path.write_bytes(body)
    grep = _seconds(lambda: subprocess.run(["grep", "-c", "NCCL ", path], check=False))
    ours = _seconds(lambda: distil_file(str(path)))
    print(f"\n{kind}: {len(body) / ours / 1e6:.0f} MB/s, {ours / grep:.1f} x grep -c")  # noqa: T201 - the result


def _seconds(job: object) -> float:
    assert callable(job)
    start = time.perf_counter()
    job()
    return max(time.perf_counter() - start, 1e-9)
