"""RAS on the loopback of another network namespace, where nobody else reaches it."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from tests.probes.namespaces import inside, need_namespaces, sh

from distcheck.agent.probes.proc import Task
from distcheck.agent.ras_look import RasMemory, RasPod, RasRound
from distcheck.agent.settings import Settings

SERVE = """
from distcheck.lab.ras_job import Job, JobCommunicator, JobRank
from distcheck.lab.ras_server import RasServer
job = Job((JobCommunicator(0xC1, (JobRank(0, "10.0.0.2", 7, 0, {"AllReduce": 4}),)),))
server = RasServer("::1", lambda: job, 28028)
print("ready", flush=True)
input()
"""


@pytest.fixture
def pid() -> Iterator[int]:
    """A process of a namespace whose loopback has a RAS thread, on IPv6 as `localhost` may be."""
    need_namespaces()
    name = f"distcheck-ras-{os.getpid()}"
    with ExitStack() as stack:
        sh("ip", "netns", "add", name)
        stack.callback(sh, "ip", "netns", "del", name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        yield stack.enter_context(inside(name, sys.executable, "-c", SERVE))


def test_the_loopback_of_a_pod_is_asked_from_inside(pid: int) -> None:
    """Found by the kernel's own table of listeners."""
    pod = RasPod("vllm-head-0", Task(pid, 1, (), "uid", "c", None), {}, frozenset((7,)))
    asking = RasRound(Settings(host_proc="/proc", port_probes=True), RasMemory(), "now")
    seen = asking.look(pod)
    assert (seen.source, seen.communicators[0].hash) == ("NCCL RAS at [::1]:28028", "0xc1")
