"""One process whose command line hangs hides no other pod."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.probes.node_folder import Node, gpu
from tests.probes.tailing import Tailing, cri, init

from distcheck.agent.node import Asked, NodeAgent
from distcheck.agent.patient import Patient
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.proc import Proc
from distcheck.checks.evidence import Gpus, Missing, Processes
from distcheck.lab.nvml import LabNvml

GOOD = "0000000a-6a53-4d0b-9a6e-0c4f3e1d7a10"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A pod with a process whose command line is a pipe that nobody writes to, and another pod."""
    node = Node(tmp_path).start()
    node.log("0.log", cri(init(0)))
    _stuck(node, 88)
    node.log("0.log", cri(init(7)), pod="good", uid=GOOD)
    node.process(600, ["VLLM::Worker"], uid=GOOD)
    node.gpus([gpu(0, 88)])
    return node


def _stuck(node: Node, pid: int) -> None:
    line = node.process(pid, ["VLLM::Worker"]) / "cmdline"
    line.unlink()
    os.mkfifo(line)


def _agent(node: Node) -> NodeAgent:
    nvml = Nvml(LabNvml(node.root / "nvml.json"))
    return NodeAgent(node.settings, nvml, lambda _address: Missing("no GCS here"))


def test_a_stuck_process_is_missing_for_its_own_pod_only(node: Node) -> None:
    look = _agent(node).look(Asked(("llm/vllm-head-0", "llm/good")))
    stuck, good = look.pods
    assert isinstance(good.processes, Processes)
    assert isinstance(stuck.processes, Missing)
    assert "pid 88 of vllm-head-0 hangs" in stuck.processes.reason
    assert isinstance(look.gpus, Gpus)
    assert [p.pod for p in look.gpus.processes] == ["llm/vllm-head-0"]


def test_a_pod_with_one_stuck_process_among_others_says_so(node: Node) -> None:
    node.process(77, ["VLLM::Worker_TP0"])
    pod = _agent(node).look(Asked(("llm/vllm-head-0",))).pods[0]
    assert isinstance(pod.processes, Missing)
    assert not isinstance(pod.shm, Missing)


def test_what_is_stuck_is_not_tried_again_while_it_hangs(node: Node) -> None:
    proc, before = Proc(node.settings.host_proc, 0.05), threading.active_count()
    for _ in range(3):
        seen = {t.pid: t.stuck for t in proc.tasks()}
    assert seen == {88: True, 600: False}
    assert threading.active_count() == before + 1


def test_many_stuck_processes_of_one_pod_hide_no_other_pod(node: Node) -> None:
    for pid in range(89, 99):
        _stuck(node, pid)
    proc, before = Proc(node.settings.host_proc, 0.05), threading.active_count()
    for _ in range(3):
        seen = {t.pid: t.stuck for t in proc.tasks()}
        assert seen[600] is False
    assert len(seen) == 12
    assert threading.active_count() <= before + 6


def test_logs_of_other_pods_are_followed_beside_a_stuck_process(node: Node) -> None:
    tail = Tailing.over(node).tick()
    assert list(tail.tailer._pods) == [GOOD]


def test_what_ends_later_is_read_again() -> None:
    patient, gate = Patient[int](0.05), threading.Event()
    hangs: Callable[[int], int] = lambda n: gate.wait(60) and n if n == 1 else n  # noqa: E731
    assert dict(patient.read({1: "a", 2: "b"}, hangs)) == {1: None, 2: 2}
    gate.set()
    time.sleep(0.1)
    assert dict(patient.read({1: "a", 2: "b"}, hangs)) == {1: 1, 2: 2}
