"""A crowd at the agent's ports, or slow clients, cost little and end nothing."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.probes.node_folder import Node

from distcheck.agent import bounded_server
from distcheck.agent.bounded_server import MAX_OF_ONE, serve
from distcheck.agent.door import Door
from distcheck.agent.metrics import serve_metrics
from distcheck.agent.node import Asked, Busy, NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.checks.evidence import Missing
from distcheck.lab.nvml import LabNvml


@pytest.fixture
def agent(tmp_path: Path) -> NodeAgent:
    node = Node(tmp_path).start()
    nvml = Nvml(LabNvml(tmp_path / "nvml.json"))
    return NodeAgent(node.settings, nvml, lambda _address: Missing("no GCS here"))


@pytest.fixture(params=["door", "metrics"])
def port(agent: NodeAgent, request: pytest.FixtureRequest) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    if request.param == "door":
        end = serve(Door(("127.0.0.1", port), agent))
    else:
        end = serve_metrics(("127.0.0.1", port), agent)
    yield port
    end()


def _said(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        with contextlib.suppress(OSError):
            client.sendall(data)
        found = b""
        with contextlib.suppress(OSError):
            while part := client.recv(1 << 16):
                found += part
        return found


def test_connections_beyond_the_most_are_told_to_come_back(port: int) -> None:
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_OF_ONE + 20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        time.sleep(0.2)
        assert threading.active_count() <= before + MAX_OF_ONE
        said = _said(port, b"")
    assert said.startswith(b"HTTP/1.0 503")
    assert b"Retry-After" in said


def test_a_crowd_from_one_address_leaves_room_for_another(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_OF_ONE + 20):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
        elsewhere = socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.9", 0))
        stack.enter_context(elsewhere)
        elsewhere.sendall(b"GET /none HTTP/1.0\r\n\r\n")
        assert elsewhere.recv(100).startswith(b"HTTP/1.0 404")


def test_clients_that_say_nothing_or_too_slowly_make_room_again(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_server, "_HEAD_SECONDS", 0.3)
    with contextlib.ExitStack() as stack:
        many = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
            for _ in range(MAX_OF_ONE)
        ]
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            for client in many:
                with contextlib.suppress(OSError):
                    client.send(b"G")
            time.sleep(0.05)
        assert _said(port, b"GET /none HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 404")


def test_a_request_that_is_too_large_is_refused(port: int) -> None:
    head = b"GET /none HTTP/1.0\r\n" + b"".join(
        b"A%d: %s\r\n" % (n, b"x" * 2000) for n in range(90)
    )
    assert b" 404 " not in _said(port, head + b"\r\n").split(b"\r\n", 1)[0]


@pytest.mark.parametrize("path", [b"//[", b"/\xff", b"/%ff"])
def test_an_odd_path_is_refused_and_not_an_error(port: int, path: bytes) -> None:
    assert _said(port, b"GET " + path + b" HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 40")


def test_metrics_are_packed_for_those_who_take_it(agent: NodeAgent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    end = serve_metrics(("127.0.0.1", port), agent)
    try:
        said = _said(
            port,
            b"GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n"
            b"Accept: application/openmetrics-text; version=1.0.0\r\n\r\n",
        )
    finally:
        end()
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert b"application/openmetrics-text" in head
    assert body.startswith(b"\x1f\x8b")


def test_a_question_whose_client_is_gone_is_dropped(agent: NodeAgent) -> None:
    asked: list[int] = []

    def is_gone() -> bool:
        asked.append(1)
        return True

    with agent._one_at_a_time, pytest.raises(Busy):
        agent.look(Asked(("llm/a",)), is_gone)
    assert asked == [1]
    with pytest.raises(Busy, match="nobody waits"):
        agent.look(Asked(("llm/a",)), lambda: True)
    assert agent.look(Asked(("llm/a",))).pods


def test_questions_beyond_those_that_may_wait_are_told_to_come_back(agent: NodeAgent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    end = serve(Door(("127.0.0.1", port), agent))
    asked = b"GET /v1/evidence?pod=llm/a HTTP/1.0\r\n\r\n"
    try:
        with agent._one_at_a_time, contextlib.ExitStack() as stack:
            for _ in range(8):
                one = stack.enter_context(socket.create_connection(("127.0.0.1", port), 5))
                one.sendall(asked)
            time.sleep(0.3)
            assert b"8 questions wait already" in _said(port, asked)
        time.sleep(0.6)
        assert _said(port, asked).startswith(b"HTTP/1.0 200")
    finally:
        end()
