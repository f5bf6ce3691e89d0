"""`distcheck wait`, as a start-up script calls it."""

from collections.abc import Iterator
from threading import Timer

import pytest
from msgspec.structs import replace
from tests.cli.process import Run
from tests.evidence_builder import healthy

from distcheck.agent.cli.progress import Progress
from distcheck.agent.cli.wait import until_there
from distcheck.agent.cli.wait_looks import Ready, of_group, of_ray
from distcheck.checks.evidence import Missing, RayCluster
from distcheck.checks.evidence.ray import RayNode
from distcheck.lab.machine import free_port
from distcheck.lab.ray import ReplayedRay

HEAD, WORKER = "127.77.43.2", "127.77.43.3"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    ray = ReplayedRay([(HEAD, 8), (WORKER, 8)])
    ray.start()
    yield ray.address
    ray.stop()


def test_it_ends_at_once_when_ray_has_the_gpus(distcheck: Run, address: str) -> None:
    done = distcheck("wait", address, "--gpus", "16")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == f"16 GPUs: 2 Ray nodes: {HEAD} has 8, {WORKER} has 8\n".encode()


def test_it_says_what_is_there_when_time_runs_out(distcheck: Run, address: str) -> None:
    done = distcheck("wait", address, "--gpus", "24", "--timeout", "300ms", "--interval", "50ms")
    assert (done.returncode, done.stdout) == (4, b"")
    assert b"gave up after 300ms: 16 of 24 GPUs: 2 Ray nodes" in done.stderr


def test_one_look_is_enough_for_a_loop(distcheck: Run) -> None:
    done = distcheck("wait", f"127.0.0.1:{free_port()}", "--gpus", "8", "--once")
    assert done.returncode == 4
    assert b"looked once: 0 of 8 GPUs" in done.stderr
    assert b"connection refused" in done.stderr


def test_a_ray_that_comes_late_is_waited_for(distcheck: Run) -> None:
    ray = ReplayedRay([(HEAD, 8), (WORKER, 8)])
    later = Timer(1.0, ray.start)
    later.start()
    try:
        done = distcheck("wait", ray.address, "--gpus", "16", "--interval", "100ms")
        assert done.returncode == 0
    finally:
        later.join()
        ray.stop()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("10.0.0.2:6379",), b"--gpus N is needed"),
        (("10.0.0.2:6379", "--gpus", "0"), b"1 or more"),
        (("10.0.0.2:70000", "--gpus", "8"), b"HOST:PORT"),
        (("10.0.0.2", "--gpus", "8"), b"has no port"),
        (("10.0.0.2:6379", "--gpus", "8", "--timeout", "soon"), b"not a duration"),
        (("10.0.0.2:6379", "--gpus", "8", "--token-file", "none"), b"cannot be read"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    distcheck: Run, words: tuple[str, ...], says: bytes
) -> None:
    done = distcheck("wait", *words)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_group_has_what_both_its_pods_and_its_ray_have() -> None:
    ready = of_group(healthy())
    assert ready.gpus == 16
    assert "2 running pods have 16" in ready.says
    assert "Ray at" in ready.says


def test_a_pod_that_does_not_run_brings_no_gpus() -> None:
    evidence = healthy()
    first, *rest = evidence.pods
    waiting = replace(first, phase="Pending", waiting="Unschedulable: no node has 8 GPUs")
    ready = of_group(replace(evidence, pods=(waiting, *rest)))
    assert ready.gpus == 8
    assert "no node has 8 GPUs" in ready.says


def test_a_ray_that_nobody_saw_brings_no_gpus() -> None:
    evidence = healthy()
    nodes = tuple(replace(n, ray=Missing("the GCS did not answer")) for n in evidence.nodes)
    ready = of_group(replace(evidence, nodes=nodes))
    assert ready.gpus == 0
    assert "the GCS did not answer" in ready.says


def test_nobody_is_asked_again_once_the_gpus_are_there() -> None:
    looks = iter([Ready(8, "one node"), Ready(16, "two nodes"), Ready(0, "gone")])
    ready = until_there(lambda: next(looks), 16, 5.0, 0.01, Progress(quiet=True))
    assert ready.says == "two nodes"


def test_a_gcs_that_cannot_be_asked_counts_as_none() -> None:
    assert of_ray(Missing("no answer")) == Ready(0, "no answer")


def _ray(*nodes: RayNode) -> RayCluster:
    return RayCluster("10.0.0.2:6379", nodes=nodes)


def test_a_node_that_came_back_counts_once_as_it_is_now() -> None:
    before = RayNode("old", "10.0.0.2", "ALIVE", gpus=8, start_ms=1)
    now = RayNode("new", "10.0.0.2", "ALIVE", gpus=4, start_ms=2)
    assert of_ray(_ray(now, before)) == Ready(4, "1 Ray node: 10.0.0.2 has 4")


def test_a_pod_that_crashes_again_and_again_brings_no_gpus() -> None:
    evidence = healthy()
    pods = tuple(replace(p, waiting="CrashLoopBackOff: back-off") for p in evidence.pods)
    ready = of_group(replace(evidence, pods=pods))
    assert ready.gpus == 0
    assert "vllm-head-0 is CrashLoopBackOff" in ready.says
