"""The agent as a process: it ends in time whatever hangs, and keeps what it has read."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.probes.node_folder import Node
from tests.probes.tailing import cri, init

from distcheck.lab.machine import free_port

HANGING = """
import sys, time
from distcheck.agent.cli import agent as cli
from distcheck.agent.probes import {module} as there

def hangs(*_a, **_k):
    print("hangs", flush=True)
    time.sleep(3600)

there.{name} = hangs
sys.exit(cli.agent())
"""
NORMAL = "import sys; from distcheck.agent.cli import agent; sys.exit(agent.agent())"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path).start()
    node.process(77, ["VLLM::Worker_TP0"])
    node.log("0.log", cri(init(0)))
    (tmp_path / "state").mkdir()
    return node


@contextmanager
def _started(node: Node, code: str, listen: int) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "NODE": "gpu-a",
        "HOST_PROC": node.settings.host_proc,
        "POD_LOGS": node.settings.pod_logs,
        "LISTEN": f"127.0.0.1:{listen}",
        "METRICS": "127.0.0.1:0",
        "STATE": str(node.root / "state"),
        "XID_WATCH": "true",
    }
    environ = {**os.environ, **{f"DISTCHECK_{name}": value for name, value in settings.items()}}
    words = [sys.executable, "-c", code]
    with subprocess.Popen(words, env=environ, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def _ask(port: int) -> socket.socket:
    """A question whose answer nobody waits for."""
    deadline = time.monotonic() + 60
    while True:
        try:
            asking = socket.create_connection(("127.0.0.1", port), 1)
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            continue
        asking.sendall(b"GET /v1/evidence?pod=llm/vllm-head-0 HTTP/1.0\r\n\r\n")
        return asking


def _ends_in_time(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("proc", "Proc.tasks"),
        ("nvml", "Nvml.look"),
        ("nvml", "Nvml.xids"),
        ("container_files", "Container.named"),
    ],
)
def test_sigterm_ends_the_agent_while_a_probe_hangs(node: Node, module: str, name: str) -> None:
    node.process(78, ["raylet"])
    port = free_port()
    with _started(node, HANGING.format(module=module, name=name), port) as process, _ask(port):
        assert process.stdout is not None
        assert process.stdout.readline() == b"hangs\n"
        _ends_in_time(process)


def test_sigterm_ends_the_agent_while_it_reads_and_keeps_what_it_has_read(node: Node) -> None:
    path = node.log("0.log", cri(init(0)))
    with path.open("ab") as file:
        for _ in range(64):
            file.write((b"2026-01-15T09:20:00.1Z stdout F NCCL odd words\n") * 20_000)
    with _started(node, NORMAL, free_port()) as process:
        deadline = time.monotonic() + 60
        while not list((node.root / "state").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        _ends_in_time(process)
    assert list((node.root / "state").glob("*.state"))
    assert not list((node.root / "state").glob("*.new"))
