"""The agent's own loops go on whatever one turn does, and tell it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.metrics.lab_node import agent_of, scrape, series
from tests.waiting import within

from distcheck.agent.loop import Loop
from distcheck.agent.probes.probe import Probing
from distcheck.checks.evidence import Missing

_LIMIT = RuntimeError("can't start new thread")


def _no_thread(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of that name cannot be started, as at the container's limit of pids."""
    start = threading.Thread.start

    def refuse(self: threading.Thread, *args: Any) -> None:
        if self.name.startswith(name):
            raise _LIMIT
        start(self, *args)

    monkeypatch.setattr(threading.Thread, "start", refuse)


def test_a_look_whose_thread_cannot_be_started_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    probing = Probing(5)
    _no_thread("probe", monkeypatch)
    assert probing.run("shm", lambda: 1) == Missing(f"shm: {_LIMIT!r}")
    assert not probing.outcomes["shm"].success
    monkeypatch.undo()
    assert probing.run("shm", lambda: 1) == 1


def test_a_turn_that_fails_is_told_and_the_next_one_is_taken() -> None:
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        if len(turns) == 1:
            raise RuntimeError("can't start new thread")

    gate = threading.Semaphore(0)
    loop = Loop("watch", turn, lambda: gate.acquire(timeout=60), 0.01)
    loop.start()
    assert within(60, lambda: loop.outcomes)
    assert not loop.outcomes["watch"].success
    gate.release()
    assert within(60, lambda: loop.outcomes["watch"].success)
    loop.over.set()
    gate.release()


def test_the_log_of_a_turn_that_fails_has_no_secret_and_drives_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def turn() -> None:
        raise RuntimeError("https://bob:S3cr3tPassw0rd@host refused \x1b[2J")

    loop = Loop("watch", turn, lambda: loop.over.wait(60), 0.01)
    loop.start()
    assert within(60, lambda: loop.outcomes)
    loop.over.set()
    told = capsys.readouterr().err
    assert "RuntimeError" in told
    assert "S3cr3tPassw0rd" not in told
    assert "\x1b" not in told


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_health_tells_a_loop_whose_thread_has_ended() -> None:
    def end() -> None:
        raise SystemExit

    loop = Loop("watch", end, lambda: None, 0.01)
    assert loop.trouble == ""
    loop.start()
    assert within(60, lambda: not loop.runs)
    assert loop.trouble == "watch: its thread has ended"
    loop.over.set()
    assert loop.trouble == ""


def test_health_tells_a_loop_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    loop = Loop("watch", lambda: None, lambda: gate.wait(60), 1.0)
    loop.start()
    assert within(60, lambda: loop.outcomes)
    now = time.monotonic()
    monkeypatch.setattr("distcheck.agent.loop.time.monotonic", lambda: now + 700)
    assert loop.trouble == "watch: no turn has ended for 700 s"
    loop.over.set()
    gate.set()


def test_the_agents_own_look_outlives_a_node_without_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = agent_of("socket-fallback", tmp_path)
    _no_thread("probe", monkeypatch)
    agent.watch.look(time.time())
    agent.tail.tick(time.monotonic())
    assert 'distcheck_probe_success{probe="watch-nvml"} 0.0' in scrape(agent)
    monkeypatch.undo()
    agent.watch.look(time.time())
    assert 'distcheck_probe_success{probe="watch-nvml"} 1.0' in scrape(agent)


def test_a_probe_of_pods_is_told_no_more_when_the_last_pod_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = agent_of("socket-fallback", tmp_path)
    agent.watch.look(time.time())
    assert 'probe="watch-shm"' in str(series(scrape(agent), "distcheck_probe_success"))
    monkeypatch.setattr(agent.watch, "_pods", lambda _gpus, _now: ())
    agent.watch.look(time.time())
    assert 'probe="watch-shm"' not in str(series(scrape(agent), "distcheck_probe_success"))


def test_how_a_question_went_is_told_as_long_as_its_answer() -> None:
    probing = Probing(5)
    probing.run("gcs", lambda: 1)
    assert "gcs" in probing.within(60)
    time.sleep(0.02)
    assert probing.within(0.01) == {}
