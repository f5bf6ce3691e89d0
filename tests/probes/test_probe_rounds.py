"""What the metrics tell of a probe that looks at several pods in one round."""

import threading
import time

from distcheck.agent.probes.probe import ProbeError, Probing


def _fail() -> int:
    raise ProbeError("not there")


def test_one_pod_that_was_not_seen_is_not_hidden_by_the_next_one() -> None:
    probing = Probing(5)
    probing.begin()
    waits = [probing.start("shm", look, of=str(n)) for n, look in enumerate((_fail, lambda: 1))]
    assert [w() for w in waits][1] == 1
    assert not probing.outcomes["shm"].success


def test_a_new_round_forgets_the_failure_of_the_last() -> None:
    probing = Probing(5)
    probing.begin()
    probing.run("shm", _fail)
    probing.begin()
    assert not probing.outcomes["shm"].success
    probing.run("shm", lambda: 1)
    assert probing.outcomes["shm"].success


def test_the_time_of_a_probe_is_that_of_its_slowest_subject() -> None:
    probing, gate = Probing(0.2), threading.Event()
    probing.begin()
    slow = probing.start("logs", lambda: gate.wait(60), of="a")
    quick = probing.start("logs", lambda: True, of="b")
    slow()
    quick()
    gate.set()
    assert probing.outcomes["logs"].seconds >= 0.2


def test_a_look_that_has_ended_late_may_start_again() -> None:
    probing, gate = Probing(0.05), threading.Event()
    probing.run("logs", lambda: gate.wait(60))
    gate.set()
    while any(t.name == "probe logs" for t in threading.enumerate()):
        time.sleep(0.01)
    probing.begin()
    assert probing.run("logs", lambda: 7) == 7
