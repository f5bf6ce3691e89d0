"""`distcheck logs` as a process: exit codes, folders, pipes that never end."""

import array
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from tests.cli.process import Run
from tests.logs.nccl_lines import COMM, job, text

LOGS = [sys.executable, "-W", "error", "-m", "distcheck", "logs"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "pod.log"
    path.write_bytes(text(job()))
    return path


@pytest.mark.parametrize("asked", [(), ("--strict",)])
def test_rdma_passes(distcheck: Run, log: Path, asked: tuple[str, ...]) -> None:
    done = distcheck("logs", str(log), *asked)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"\n") < 16


def test_standard_input_may_be_compressed(distcheck: Run, log: Path) -> None:
    packed = distcheck("logs", "-", "-o", "json", stdin=gzip.compress(log.read_bytes()))
    assert json.loads(packed.stdout)["nccl"]["verdict"] == "rdma"


def test_a_log_without_nccl_lines_is_unknown(distcheck: Run) -> None:
    done = distcheck("logs", "-", stdin=b"hello\n")
    assert done.returncode == 3
    assert b"NCCL_DEBUG=INFO" in done.stdout


@pytest.mark.parametrize("name", ["/dev/null", "empty.log"])
def test_nothing_to_read_is_unknown(distcheck: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.log").touch()
    done = distcheck("logs", name)
    assert done.returncode == 3
    assert b"nothing to read" in done.stdout


def test_bytes_that_are_no_text_are_unknown(distcheck: Run) -> None:
    done = distcheck("logs", "-", stdin=bytes(range(256)) * 4000)
    assert done.returncode == 3


def test_a_truncated_gzip_is_reported_and_is_an_input_error(
    distcheck: Run, log: Path, tmp_path: Path
) -> None:
    served = b"".join(b"INFO: request %d served\n" % number for number in range(2000))
    data = gzip.compress(log.read_bytes() + served)
    (tmp_path / "cut.log.gz").write_bytes(data[:-40])
    done = distcheck("logs", "cut.log.gz", "-o", "json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["nccl"]["verdict"] == "rdma"
    assert b"cut.log.gz is damaged" in done.stderr


def test_a_proven_failure_in_a_truncated_gzip_stays_one(distcheck: Run, tmp_path: Path) -> None:
    lines = job(network="Socket", transport="NET/Socket/0")
    data = gzip.compress(text(lines) * 20)
    (tmp_path / "cut.log.gz").write_bytes(data[:-40])
    assert distcheck("logs", "cut.log.gz").returncode == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gone.log",), b"gone.log: No such file"),
        (("",), b"'' names no file"),
        (("-", "-"), b"given twice"),
        (("hollow",), b"the folder hollow holds no log file"),
        (("-q",), b"missing argument"),
    ],
)
def test_what_cannot_be_read_is_named(
    distcheck: Run, tmp_path: Path, words: tuple[str, ...], says: bytes
) -> None:
    (tmp_path / "hollow").mkdir()
    done = distcheck("logs", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == b""


def test_a_kubelets_folder_is_read_with_all_below_it(distcheck: Run, tmp_path: Path) -> None:
    for number, ranks in enumerate((range(8), range(8, 16))):
        pod = tmp_path / "pods" / f"serving_vllm-{number}_0d3a" / "vllm"
        pod.mkdir(parents=True)
        (pod / "0.log").write_bytes(text(job(shown=ranks)))
    (tmp_path / "pods" / "notes.md").touch()
    done = distcheck("logs", "pods")
    assert done.returncode == 0
    for words in (b"16 of 16 complete", b"vllm-1/vllm/0.log", b"notes.md"):
        assert words in done.stdout


def test_a_report_never_takes_the_place_of_a_log(distcheck: Run, log: Path) -> None:
    before = log.read_bytes()
    done = distcheck("logs", str(log), "-o", f"json={log}")
    assert (done.returncode, log.read_bytes()) == (2, before)
    assert b"which is read" in done.stderr


def test_a_file_named_twice_counts_once(distcheck: Run, log: Path) -> None:
    done = json.loads(distcheck("logs", str(log), str(log), "-o", "json").stdout)
    assert done["bytes"] == log.stat().st_size
    assert "by_file" not in done


def test_json_has_pairs_unseen_ranks_and_the_lines_of_the_verdict(
    distcheck: Run, tmp_path: Path
) -> None:
    (tmp_path / "a.log").write_bytes(text(job(shown=range(8))))
    part = json.loads(distcheck("logs", "a.log", "-o", "json").stdout)["nccl"]
    assert part["pairs"][0]["from_host"] == "vllm-head-0"
    assert part["pairs"][0]["to_host"] is None
    assert part["communicators"][0]["unseen"] == [[8, 15]]
    assert all(source.startswith("a.log:") for _, source in part["summary"]["why"])


def test_half_a_group_passes_but_not_with_strict(distcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(text(job(shown=range(8))))
    done = distcheck("logs", "a.log")
    assert done.returncode == 0
    assert b"as far as seen: 8 of 16 ranks" in done.stdout
    strict = distcheck("logs", "a.log", "--strict")
    assert strict.returncode == 3
    assert b"8 of 16 ranks are seen; with --strict that is unknown" in strict.stderr
    assert distcheck("logs", "a.log", "--strict", "--inconclusive", "fail").returncode == 1


def test_several_jobs_at_once_do_not_pass_with_strict(distcheck: Run, tmp_path: Path) -> None:
    for name, host in (("a.log", "a"), ("b.log", "b")):
        lines = job(hosts=[host], per_host=2)
        (tmp_path / name).write_bytes(text(x.replace(COMM, f"0x{host}") for x in lines))
    assert distcheck("logs", "a.log", "b.log").returncode == 0
    strict = distcheck("logs", "a.log", "b.log", "--strict")
    assert strict.returncode == 3
    assert b"2 separate jobs (a.log; b.log)" in strict.stdout


def test_json_says_what_the_text_says(distcheck: Run, log: Path) -> None:
    told = json.loads(distcheck("logs", str(log), "-o", "json").stdout)
    first = distcheck("logs", str(log)).stdout.decode().split("\n")[0]
    assert first.split(None, 1) == [told["status"].upper(), told["headline"]]


def test_a_pipe_has_whole_lines_and_a_width_that_is_set_is_kept(
    distcheck: Run, tmp_path: Path
) -> None:
    for number in range(2):
        name = f"{'long-name-of-a-pod-' * 5}{number}.log"
        (tmp_path / name).write_bytes(text(job(shown=range(8 * number, 8 * number + 4))))
    files = sorted(p.name for p in tmp_path.glob("*.log"))
    page = distcheck("logs", *files).stdout.decode()
    assert page.startswith("  PASS ")
    assert "as far as seen: 8 of 16 ranks" in page.split("\n")[0]
    assert all(name in page for name in files)
    narrow = distcheck("logs", *files, COLUMNS="60").stdout.decode().split("\n")
    assert max(len(line) for line in narrow if "long-name" not in line) <= 60
    done = distcheck("logs", *files, "-o", "text=page.txt")
    assert (done.stdout, (tmp_path / "page.txt").read_text()) == (b"", page)


@pytest.mark.parametrize("second", ["text", "json", "json=-"])
def test_two_results_for_standard_output_are_refused(
    distcheck: Run, log: Path, second: str
) -> None:
    for command in (("logs", str(log)), ("verify", "x")):
        done = distcheck(*command, "-o", "json", "-o", second)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"give one of them a file, such as -o json=FILE" in done.stderr
    assert distcheck("logs", str(log), "-o", "text", "-o", "json=a.json").returncode == 0


@pytest.mark.parametrize("data", [bytes(range(256)) * 40, gzip.compress(b"\0\1\n" * 40, mtime=0)])
def test_a_file_that_is_no_text_is_said_to_be_none(
    distcheck: Run, tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "core").write_bytes(data)
    done = distcheck("logs", "core")
    assert done.returncode == 3
    assert b"This is not a text log" in done.stdout
    assert b"NCCL_DEBUG" not in done.stdout


def test_a_pipe_without_line_ends_is_said_to_be_no_text(distcheck: Run) -> None:
    done = distcheck("logs", "-", stdin=b"x" * (2 << 20))
    assert (done.returncode, b"This is not a text log" in done.stdout) == (3, True)


def test_a_progress_bar_is_a_text(distcheck: Run) -> None:
    done = distcheck("logs", "-", stdin=b"loading\r" * 20_000)
    assert b"not a text" not in done.stdout


def test_stray_zeros_do_not_hide_what_a_log_says(distcheck: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"\0" * 100 + b"\n" + text(job()))
    assert json.loads(distcheck("logs", "a.log", "-o", "json").stdout)["status"] == "pass"


@pytest.fixture
def endless(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`distcheck logs -` on a pipe that this test holds open."""
    process = subprocess.Popen(
        [*LOGS, "-", "-o", "json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    yield process
    process.kill()
    process.communicate()


def _ended(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """What it wrote; standard input stays open."""
    assert process.stdout is not None
    assert process.stderr is not None
    out = process.stdout.read()
    process.wait(60)
    return out, process.stderr.read()


def _has_taken_all(pipe: IO[bytes]) -> None:
    """Until nothing is left in the pipe: the reader has begun, and has all of it."""
    left = array.array("i", [1])
    deadline = time.monotonic() + 60
    while left[0] and time.monotonic() < deadline:
        time.sleep(0.02)
        fcntl.ioctl(pipe, termios.FIONREAD, left)
    assert not left[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_endless_log_with_the_report_so_far(
    endless: subprocess.Popen[bytes], number: int
) -> None:
    assert endless.stdin is not None
    data = text(job())
    endless.stdin.write(data + b"half a li")
    endless.stdin.flush()
    _has_taken_all(endless.stdin)
    endless.send_signal(number)
    out, err = _ended(endless)
    told = json.loads(out)
    assert (told["cut"], told["bytes"]) == ("stopped by a signal", len(data) + 9)
    assert (endless.returncode, told["nccl"]["verdict"], err) == (0, "rdma", b"")


@pytest.mark.skipif(not Path("/dev/urandom").exists(), reason="no endless noise here")
def test_endless_noise_takes_constant_memory_and_ends_by_a_signal(tmp_path: Path) -> None:
    with Path("/dev/urandom").open("rb") as noise:
        process = subprocess.Popen(
            [*LOGS, "-"], stdin=noise, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
        )
    peaks = []
    for _ in range(2):
        time.sleep(1.5)
        peaks.append(_peak_kib(process.pid))
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert b"stopped by a signal" in b" ".join(out.split())
    assert peaks[1] < 200 << 10


def _peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
