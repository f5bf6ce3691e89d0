"""The short way, the long way, and a reader that was put away meanwhile: all say the same."""

from collections.abc import Sequence
from unittest import mock

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench import serving_logs
from tests.logs.nccl_lines import head, job, text

from distcheck.agent.logs.distil import Distilled, Distiller
from distcheck.agent.logs.framing import LONGEST_LINE
from distcheck.agent.logs.nccl import NcclReader
from distcheck.agent.logs.nccl_quick import Quick
from distcheck.agent.logs.search import Search

STAMP = "2026-03-01T08:10:41.930000000Z stdout F "
PREFIXES = ("", STAMP, "(RayWorkerWrapper pid=581, ip=10.0.0.2) ", "[1,3]<stdout>:", "[rank3]: ")
ODD = (
    "",
    "2026-03-01T08:10:41.93Z stdout P a:1:2 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/",
    "2026-03-01T08:10:41.93Z stdout F CUMEM",
    "Last error:",
    '{"log":"a:1:2 [0] NCCL INFO Connected all rings\\n","stream":"stdout","time":"now"}',
    "a:1:2 [0] NCCL INFO Using network Socketb:3:4 [1] NCCL INFO Using network IB",
    "NCCL version 2.20.5+cuda12.4",
    "RuntimeError: NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details)",
    f"{head('a', 1, 0)} Channel 00/0 : 0[0] -> 1[1] via SHM/direct [repeated 3x across cluster]",
    f"{head('a', 1, 0)} Channel {head('b', 2, 0)} Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM",
    f"{head('a', 1, 0)} Channel x : 0[0] -> 1[1] via P2P/CUMEM",
    f"{head('a', 1, 0)} Trees [0] 1/-1/-1->0->-1\rBus error (core dumped)",
    f"{head('a', 1, 0)} Trees [0] 1/-1/-1->0->-1 [repeated 7x across cluster]",
    f"{head('a', 1, 0)} Using network IB",
    f"{head('a', 1, 0)} Using network Socket",
    f"{head('a', 1, 0)} Connected all trees",
    f"{head('a', 1, 0)} Channel 00/0 : 1[1] -> 8[0] [send] via NET/IB/0",
    f"[repeated 3x across cluster] {head('a', 1, 0)} Using network IB",
    f"{head('a', 1, 0)} transport/net.cc:324 (f) Channel 00/0 : 1[1] -> 8[0] [send] via NET/IB/0",
    "INFO 01-02 03:04:05 [gpu_model_runner.py:2007] Model loading took 8.2305 GiB and 3.1 seconds",
)
LINES = (*job(), *job(hosts=("a", "b"), transport="NET/Socket/{nic}", per_host=2), *ODD)


def read(lines: Sequence[str], chunk: int = 4096) -> Distilled:
    distiller, data = Distiller("pod.log"), text(lines)
    for start in range(0, len(data), chunk):
        distiller.feed(data[start : start + chunk])
    return distiller.finish()


def plain(found: Distilled) -> object:
    """Everything but the order in which channels were counted."""
    built = msgspec.json.decode(msgspec.json.encode(found))
    channels = built["nccl"].get("channels", [])
    for one in channels:
        one.get("peers", []).sort()
    channels.sort(key=str)
    return built


def only_long(self: Quick, lines: object, at: int, *_: object, **__: object) -> int:
    return at


@given(
    st.lists(st.tuples(st.sampled_from(PREFIXES), st.sampled_from(LINES)), max_size=60),
    st.integers(1, 3000),
)
def test_the_short_way_says_what_the_long_way_says(
    drawn: list[tuple[str, str]], chunk: int
) -> None:
    lines = [f"{prefix}{line}" for prefix, line in drawn for _ in range(2)]
    quick = read(lines, chunk)
    with mock.patch.object(Quick, "take", only_long):
        long = read(lines, chunk)
    assert plain(quick) == plain(long)


def test_most_lines_of_a_dense_log_go_the_short_way() -> None:
    with mock.patch.object(NcclReader, "line", autospec=True, side_effect=NcclReader.line) as line:
        found = read(serving_logs.pure().decode().splitlines(), 1 << 18)
    assert line.call_count < found.nccl.lines / 8


@given(st.lists(st.sampled_from(LINES), max_size=40), st.integers(0, 6000), st.integers(1, 500))
def test_a_distiller_goes_on_from_what_another_one_saved(
    lines: list[str], cut: int, chunk: int
) -> None:
    data = text(lines)
    first = Distiller("pod.log")
    for start in range(0, min(cut, len(data)), chunk):
        first.feed(data[start : min(start + chunk, cut)])
    second = Distiller.restored("pod.log", first.saved())
    second.feed(data[cut:])
    assert plain(second.finish()) == plain(read(lines))


def test_saving_does_not_end_the_reading() -> None:
    lines, data = job(), text(job())
    distiller = Distiller("pod.log")
    for start in range(0, len(data), 700):
        distiller.feed(data[start : start + 700])
        distiller.saved()
    assert plain(distiller.finish()) == plain(read(lines))


@pytest.mark.parametrize("saved", [b"", b"\x00", b"\x81\xa1a\x01", b"not what was saved"])
def test_a_saved_state_that_is_damaged_is_refused(saved: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        Distiller.restored("pod.log", saved)


@given(
    st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=12, unique=True),
    st.binary(max_size=300),
)
def test_needles_are_found_without_hyperscan_too(needles: list[bytes], block: bytes) -> None:
    search = Search([n for n in needles if b"\n" not in n] or [b"x"])
    here = search.hits(block, 10_000)
    plainly = Search(search._needles)._find(block, 10_000)
    assert here is not None
    assert set(here) == set(plainly or ())


@given(st.integers(0, 20))
def test_more_hits_than_asked_for_are_no_answer(most: int) -> None:
    search, block = Search([b"NCCL"]), b"NCCL " * 10
    assert (search.hits(block, most) is None) == (most < 10)
    assert (search._find(block, most) is None) == (most < 10)


def test_a_line_without_end_takes_bounded_memory() -> None:
    distiller = Distiller("pod.log")
    for _ in range(64):
        distiller.feed(b"a:1:2 [0] NCCL INFO " * 4096)
    assert len(distiller.saved()) < 3 * LONGEST_LINE
