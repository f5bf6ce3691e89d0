"""Xid events: waited for by a thread of the agent's own, which nothing that NVML does disturbs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.waiting import within

from distcheck.agent.nvml_events import XidEvent, XidEvents
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.xid_record import MOST_GPUS, MOST_OF_A_GPU, XidRecord
from distcheck.agent.xid_watch import XidWatch
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.xids import Xids

SOURCE = Path(__file__).with_name("nvml_eight.c")
WATCH = """
import msgspec, os, sys, time
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.xid_watch import XidWatch
from distcheck.checks.evidence import Missing
nvml = Nvml()
watch = XidWatch(nvml)
end = watch.start()
deadline = time.monotonic() + float(sys.argv[1])
ready = eval(sys.argv[2])
while not ready(watch.seen()) and time.monotonic() < deadline:
    time.sleep(0.01)
seen = watch.seen()
health = len(nvml.health("then").gpus) if sys.argv[3] else 0
end()
sys.stdout.buffer.write(msgspec.json.encode([seen, health]))
sys.stdout.flush()
os._exit(0)
"""
CAME = "lambda s: not isinstance(s, Missing) and s.seen"
WAITS = "lambda s: not isinstance(s, Missing)"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the compiled library."""
    compiler = shutil.which("cc")
    if compiler is None:
        assert not os.environ.get("CI"), "CI has a C compiler"
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")
    out = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", out, SOURCE], check=True)
    return folder


def watched(
    library: Path, ready: str, limit: float = 5, health: str = "", **how: int
) -> tuple[Xids | Missing, int]:
    """What a new process's wait sees once it is `ready`, and how many GPUs answer beside it."""
    variables = {name: str(value) for name, value in how.items()}
    environ = {**os.environ, "LD_LIBRARY_PATH": str(library), **variables}
    command = [sys.executable, "-c", WATCH, str(limit), ready, health]
    done = subprocess.run(command, env=environ, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout, type=tuple[Xids | Missing, int])


def test_an_event_is_kept_with_its_gpu_number_and_time(library: Path) -> None:
    seen, answering = watched(library, CAME, health="too", XID=31)
    assert isinstance(seen, Xids)
    (one,) = seen.seen
    assert (one.uuid, one.index, one.number, one.count) == ("GPU-3", 3, 31, 1)
    assert seen.since <= one.first_at == one.last_at <= seen.until
    assert (answering, seen.ended) == (8, "")


def test_no_event_is_told_with_since_when_nobody_came(library: Path) -> None:
    seen, _ = watched(library, WAITS)
    assert isinstance(seen, Xids)
    assert (seen.seen, seen.deaf, seen.ended) == ((), (), "")


def test_a_gpu_without_events_leaves_those_of_the_others(library: Path) -> None:
    seen, _ = watched(library, CAME, XID=31, DEAF=5)
    assert isinstance(seen, Xids)
    assert (seen.deaf, len(seen.seen)) == (("GPU-5",), 1)


def test_a_driver_without_events_is_told_as_that(library: Path) -> None:
    seen, answering = watched(library, WAITS, limit=0.6, health="too", DEAF=8)
    assert seen == Missing("NVML tells no events: Not Supported")
    assert answering == 8


def test_a_driver_that_dies_keeps_what_came_before_and_says_that_it_ended(library: Path) -> None:
    # One count of GPUs, three questions for each, one for the set, one event.
    ended = "lambda s: not isinstance(s, Missing) and s.ended"
    seen, _ = watched(library, ended, XID=31, DIES_AT=28)
    assert isinstance(seen, Xids)
    assert [x.number for x in seen.seen] == [31]
    assert seen.ended == "NVML: GPU is lost"


def test_a_number_beyond_all_xids_is_unknown(library: Path) -> None:
    seen, _ = watched(library, CAME, XID=2_000_000_000)
    assert isinstance(seen, Xids)
    assert seen.seen[0].number == 999


class FakeEvents:
    """What a driver answers, one after another; then nothing more for a while."""

    def __init__(self, *answers: object) -> None:
        self.deaf: list[str] = []
        self.there = frozenset[str]()
        self._answers = list(answers)

    def wait(self, seconds: float) -> XidEvent | None:
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer()
        if answer is None:
            time.sleep(min(seconds, 0.01))
        return answer if isinstance(answer, XidEvent) else None


class FakeNvml(Nvml):
    """Each try to wait has the next of `waits`."""

    def __init__(self, *waits: FakeEvents | Exception) -> None:
        super().__init__()
        self._waits = list(waits)
        self.tries = self.open = 0

    @contextmanager
    def xids(self) -> Iterator[XidEvents]:
        self.tries += 1
        one = self._waits.pop(0) if self._waits else ProbeError("nothing more")
        if isinstance(one, Exception):
            raise one
        self.open += 1
        try:
            yield one  # type: ignore[misc]
        finally:
            self.open -= 1


def event(number: int) -> XidEvent:
    return XidEvent("GPU-a", 2, number)


def numbers(watch: XidWatch) -> list[int]:
    seen = watch.seen()
    return [x.number for x in seen.seen] if isinstance(seen, Xids) else []


def test_it_waits_again_when_the_driver_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distcheck.agent.xid_watch._SOON", 0.01)
    nvml = FakeNvml(
        ProbeError("NVML: Driver Not Loaded"),
        FakeEvents(event(13), ProbeError("NVML: Uninitialized")),
        FakeEvents(event(31)),
    )
    watch = XidWatch(nvml)
    end = watch.start()
    assert within(60, lambda: numbers(watch) == [13, 31])
    seen = watch.seen()
    assert isinstance(seen, Xids)
    assert seen.ended == ""
    end()
    assert within(60, lambda: nvml.open == 0)


def test_nothing_that_goes_wrong_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distcheck.agent.xid_watch._SOON", 0.01)
    watch = XidWatch(FakeNvml(ValueError("odd"), OSError("odder"), FakeEvents(event(43))))
    end = watch.start()
    assert within(60, lambda: numbers(watch) == [43])
    end()


def test_the_gpus_are_let_go_after_an_xid_that_asks_for_a_reset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("distcheck.agent.xid_watch._COMPANIONS", 0.05)
    nvml = FakeNvml(FakeEvents(event(48), event(63), event(31)), FakeEvents())
    watch = XidWatch(nvml, rest=60)
    end = watch.start()
    assert within(60, lambda: nvml.tries == 1 and nvml.open == 0 and numbers(watch) != [])
    assert within(60, lambda: isinstance(seen := watch.seen(), Xids) and bool(seen.ended))
    seen = watch.seen()
    assert isinstance(seen, Xids)
    assert numbers(watch) == [48, 63, 31]
    assert seen.ended == "the agent let go of the GPUs, so that GPU 2 can be reset"
    end()


def test_a_programs_own_fault_is_no_reason_to_let_go() -> None:
    nvml = FakeNvml(FakeEvents(event(31)))
    watch = XidWatch(nvml)
    end = watch.start()
    assert within(60, lambda: numbers(watch) == [31])
    assert nvml.open == 1
    end()


def test_a_driver_that_answers_at_once_is_not_asked_without_a_pause() -> None:
    asked: list[int] = []
    nvml = FakeNvml(FakeEvents(*[lambda: asked.append(1)] * 1000))
    end = XidWatch(nvml).start()
    time.sleep(0.2)
    end()
    assert len(asked) <= 2


def test_a_wait_that_does_not_come_back_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distcheck.agent.xid_watch._SILENT", 0.05)
    watch = XidWatch(FakeNvml(FakeEvents(lambda: time.sleep(0.5))))
    end = watch.start()
    assert within(60, lambda: isinstance(watch.seen(), Xids))
    time.sleep(0.1)
    seen = watch.seen()
    assert isinstance(seen, Xids)
    assert seen.ended == "NVML does not come back"
    end()


def test_one_that_was_never_started_says_that_nobody_waits() -> None:
    seen = XidWatch(FakeNvml()).seen()
    assert isinstance(seen, Missing)
    assert "DISTCHECK_XID_WATCH=true" in seen.reason


def test_the_record_is_bounded_and_counts_what_it_drops() -> None:
    record = XidRecord(lambda: "2026-01-15T09:30:00Z")
    for gpu in range(MOST_GPUS + 1):
        for number in range(1, MOST_OF_A_GPU + 2):
            record.add(XidEvent(f"GPU-{gpu}", gpu, number))
    rows, dropped = record.rows()
    assert len(rows) == MOST_GPUS * MOST_OF_A_GPU
    assert dropped == MOST_GPUS + MOST_OF_A_GPU + 1


def test_the_same_number_again_is_counted_with_its_last_time() -> None:
    times = iter(["t1", "t2"])
    record = XidRecord(lambda: next(times))
    record.add(event(31))
    record.add(event(31))
    ((row,), _) = record.rows()
    assert (row.count, row.first_at, row.last_at) == (2, "t1", "t2")


def test_a_gpu_that_is_gone_is_forgotten_a_day_after_its_last_event() -> None:
    now = "2026-01-15T09:30:00Z"
    record = XidRecord(lambda: now)
    record.add(XidEvent("GPU-old", 0, 31))
    record.add(XidEvent("GPU-kept", 1, 31))
    now = "2026-01-16T09:00:00Z"
    record.add(XidEvent("GPU-lost", 2, 79))
    record.forget_gone({"GPU-kept"})
    assert len(record.rows()[0]) == 3
    now = "2026-01-16T09:31:00Z"
    record.forget_gone({"GPU-kept"})
    assert [x.uuid for x in record.rows()[0]] == ["GPU-kept", "GPU-lost"]
