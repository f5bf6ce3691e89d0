"""Opening and streaming of log files: what is read, what is not, and what is said of it."""

import contextlib
import gzip
import os
import signal
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.logs.nccl_lines import job, text

from distcheck.agent.logs.describe import report
from distcheck.agent.logs.distil import combine
from distcheck.agent.logs.files import DamagedError, distil_file, unpacked
from distcheck.agent.logs.folders import MAX_FILES, log_files
from distcheck.agent.logs.stopping import Stopped, Stopping


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "pod.log"
    path.write_bytes(text(job()))
    return path


def test_a_gzip_log_shows_what_the_plain_one_shows(log: Path, tmp_path: Path) -> None:
    packed = tmp_path / "any-name"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    plain, unzipped = distil_file(str(log), "x"), distil_file(str(packed), "x")
    assert unzipped == plain
    assert plain.cut is None


def test_members_of_one_gzip_file_and_zeros_between_them_are_one_log() -> None:
    parts = gzip.compress(b"one\n"), b"\0" * 700, gzip.compress(b"two\n"), b"\0" * 512
    assert b"".join(unpacked([b"".join(parts)])) == b"one\ntwo\n"
    assert b"".join(unpacked(parts)) == b"one\ntwo\n"


def test_a_truncated_gzip_keeps_what_it_holds_and_is_said_to_be_cut(
    log: Path, tmp_path: Path
) -> None:
    data = gzip.compress(log.read_bytes())
    broken = tmp_path / "pod.log.gz"
    broken.write_bytes(data[: len(data) // 2])
    found = distil_file(str(broken))
    assert found.nccl.lines > 0
    assert found.cut is not None
    assert str(broken) in found.cut
    assert "ends early" in found.cut


def test_what_a_log_that_was_cut_lacks_is_no_failure(log: Path, tmp_path: Path) -> None:
    lines = [line for line in job(complete=(), transport=None) if "Connected" not in line]
    data = gzip.compress(text(lines))
    whole, broken = tmp_path / "whole.gz", tmp_path / "broken.gz"
    whole.write_bytes(data)
    broken.write_bytes(data[:-8])
    assert report([str(whole)]).nccl.verdict == "failed"
    assert report([str(broken)]).nccl.verdict == "inconclusive"


def test_a_small_file_that_unpacks_to_much_comes_in_small_parts() -> None:
    bomb = gzip.compress(b"\n" * (64 << 20))
    assert max(map(len, unpacked([bomb]))) <= 256 << 10


@given(st.lists(st.binary(max_size=60), max_size=8), st.booleans())
def test_any_chunks_are_given_whole_or_are_damaged(chunks: list[bytes], packed: bool) -> None:
    data = [b"\x1f\x8b", *chunks] if packed else [b"-", *chunks]
    if not packed:
        assert b"".join(unpacked(data)) == b"".join(data)
    with contextlib.suppress(DamagedError):
        assert isinstance(b"".join(unpacked(data)), bytes)


@given(st.binary(max_size=400), st.integers(1, 50))
def test_chunk_sizes_do_not_change_what_is_unpacked(data: bytes, size: int) -> None:
    packed = zlib.compress(data, wbits=31)
    chunks = [packed[i : i + size] for i in range(0, len(packed), size)]
    assert b"".join(unpacked(chunks)) == data


def test_a_named_pipe_is_read_until_its_writer_ends(log: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(log.read_bytes()))
    writer.start()
    found = distil_file(str(pipe), "x")
    writer.join()
    assert found == distil_file(str(log), "x")


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.log")
    with pytest.raises(FileNotFoundError) as caught:
        distil_file(gone)
    assert caught.value.filename == gone
    with pytest.raises(IsADirectoryError) as caught_folder:
        distil_file(str(tmp_path))
    assert caught_folder.value.filename == str(tmp_path)


def test_files_of_one_pod_are_one_log(log: Path, tmp_path: Path) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    halves = tmp_path / "0.log.20260301-080000", tmp_path / "0.log"
    halves[0].write_bytes(b"".join(lines[:70]))
    halves[1].write_bytes(b"".join(lines[70:]))
    both = combine(map(distil_file, map(str, halves), ["old", "new"]))
    whole = distil_file(str(log))
    assert (both.lines, both.bytes) == (whole.lines, whole.bytes)
    assert sum(len(c.complete) for c in both.nccl.communicators) == 16


def test_a_signal_ends_waiting_and_the_handler_of_before_is_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    ours, theirs = os.pipe()
    with Stopping() as stopping:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(Stopped):
            stopping.until_readable(ours)
        assert signal.getsignal(signal.SIGTERM) == before
    os.close(ours)
    os.close(theirs)


def test_files_after_the_signal_are_said_to_be_unread(log: Path) -> None:
    stopping = Stopping()
    told = report(
        [str(log), "b.log"],
        stopping=stopping,
        told=lambda *_: setattr(stopping, "stopped", True),
    )
    assert told.cut == "stopped by a signal"
    assert told.bytes == log.stat().st_size
    assert told.skipped == ("b.log: not read, the reading was stopped before it",)


def _kubelet(root: Path) -> Path:
    pod = root / "serving_vllm-0_0d3a" / "vllm"
    pod.mkdir(parents=True)
    for name in ("0.log", "1.log", "1.log.20260301-081041.gz", "1.log.20260301-070000", "x.tmp"):
        (pod / name).write_bytes(b"")
    return pod


def test_the_kubelets_folder_gives_the_latest_start_oldest_file_first(tmp_path: Path) -> None:
    pod = _kubelet(tmp_path)
    found = log_files(str(tmp_path))
    names = ["1.log.20260301-070000", "1.log.20260301-081041.gz", "1.log"]
    assert [Path(f) for f in found.files] == [pod / n for n in names]
    assert any("earlier start" in s and "0.log" in s for s in found.skipped)
    assert any("x.tmp" in s for s in found.skipped)


def test_a_file_that_links_lead_to_is_read_once_and_link_cycles_end(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x\n")
    (tmp_path / "b.log").symlink_to("a.log")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dead.log").symlink_to("nowhere")
    found = log_files(str(tmp_path))
    assert found.files == (str(tmp_path / "a.log"),)
    assert any("dead.log" in s for s in found.skipped)


def test_more_files_than_are_read_are_counted(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 3):
        (tmp_path / f"w{number}.out").write_bytes(b"")
    found = log_files(str(tmp_path))
    assert len(found.files) == MAX_FILES
    assert found.skipped == (f"3 log files after the first {MAX_FILES}",)


@pytest.mark.parametrize(
    ("start", "name"), [(b"\xfd7zXZ\x00", "xz"), (b"(\xb5/\xfd", "zstd"), (b"BZh9", "bzip2")]
)
def test_a_file_packed_otherwise_is_refused_by_its_first_bytes(start: bytes, name: str) -> None:
    with pytest.raises(OSError, match=f"is packed with {name}: unpack it first"):
        list(unpacked([start + b"x" * 9]))
