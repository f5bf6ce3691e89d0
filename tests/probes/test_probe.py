"""Every look ends in time, and none with an exception."""

import threading

from distcheck.agent.probes.probe import ProbeError, Probing
from distcheck.checks.evidence import Missing


def _fail() -> int:
    raise ProbeError("nothing is mounted there")


def _bug() -> int:
    raise KeyError("x")


def test_what_is_seen_is_returned_and_recorded() -> None:
    probing = Probing(5)
    assert probing.run("one", lambda: 7) == 7
    assert probing.outcomes["one"].success


def test_a_failure_is_missing_with_its_reason() -> None:
    probing = Probing(5)
    assert probing.run("shm", _fail) == Missing("shm: nothing is mounted there")
    assert not probing.outcomes["shm"].success


def test_a_bug_is_missing_too() -> None:
    assert Probing(5).run("x", _bug) == Missing("x: internal error: KeyError: 'x'")


def test_a_hang_is_missing_in_time_and_is_not_started_twice() -> None:
    probing, gate, started = Probing(0.05), threading.Event(), []

    def hang() -> int:
        started.append(1)
        gate.wait(60)
        started.append(2)
        return 1

    assert probing.run("slow", hang) == Missing("slow: timed out after 0.05 s")
    assert probing.run("slow", hang) == Missing("slow: an earlier look has not ended yet")
    assert started == [1]
    gate.set()


def test_looks_run_side_by_side() -> None:
    probing, gate = Probing(5), threading.Barrier(2)
    first = probing.start("a", lambda: gate.wait(60), of="1")
    second = probing.start("a", lambda: gate.wait(60), of="2")
    assert {first(), second()} == {0, 1}


def test_the_late_answer_of_a_look_that_is_followed_is_given_the_next_time() -> None:
    probing, gate = Probing(0.05), threading.Event()

    def look() -> int:
        gate.wait(60)
        return 7

    def again() -> int:
        raise AssertionError("the first look is still under way")

    assert probing.follow("logs", look, of="a")() == Missing("logs: timed out after 0.05 s")
    late = Missing("logs: an earlier look has not ended yet")
    assert probing.follow("logs", again, of="a")() == late
    assert probing.is_late("logs", "a")
    assert not probing.is_late("logs", "b")
    gate.set()
    while (seen := probing.follow("logs", again, of="a")()) == late:
        pass
    assert seen == 7
    assert not probing.is_late("logs", "a")
