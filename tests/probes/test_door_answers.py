"""How the evidence door answers: whole, with its length, and on no other path."""

import http.client
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.probes.node_folder import Node

from distcheck.agent.door import Door
from distcheck.agent.loop import Loop
from distcheck.agent.metrics import serve_metrics
from distcheck.agent.node import NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.checks.evidence import Missing, NodeLook
from distcheck.lab.nvml import LabNvml


@pytest.fixture
def agent(tmp_path: Path) -> NodeAgent:
    node = Node(tmp_path).start()
    nvml = Nvml(LabNvml(tmp_path / "nvml.json"))
    return NodeAgent(node.settings, nvml, lambda _address: Missing("no GCS here"))


@pytest.fixture
def port(agent: NodeAgent) -> Iterator[int]:
    door = Door(("127.0.0.1", 0), agent)
    thread = threading.Thread(target=door.serve_forever, args=(0.02,))
    thread.start()
    yield door.server_address[1]
    door.shutdown()
    thread.join()
    door.server_close()


def _answer(
    port: int, path: str, method: str = "GET"
) -> tuple[int, bytes, http.client.HTTPMessage]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/healthz", 200),
        ("/v1/evidence?pod=llm/a", 200),
        ("/v1/evidence", 400),
        ("/v1/evidence?pod=llm/a&peer=x|169.254.169.254|80|gcs", 400),
        ("/v1/evidence/", 404),
        ("/v1/evidence/../../etc/passwd", 404),
        ("//etc/passwd", 404),
        ("/", 404),
    ],
)
def test_every_answer_has_its_true_length(port: int, path: str, status: int) -> None:
    seen, body, headers = _answer(port, path)
    assert seen == status
    assert headers["Content-Length"] == str(len(body))
    assert body


def test_a_refusal_says_why_in_plain_text(port: int) -> None:
    _, body, headers = _answer(port, "/v1/evidence?pod=llm/a&peer=x|169.254.169.254|80|gcs")
    assert headers["Content-Type"] == "text/plain"
    assert b"169.254.169.254 is link-local, or a metadata service's" in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_but_reading_is_answered(port: int, method: str) -> None:
    assert _answer(port, "/v1/evidence?pod=llm/a", method)[0] == 501


def test_a_pod_that_is_not_there_is_missing_and_not_an_error(port: int) -> None:
    look = msgspec.json.decode(_answer(port, "/v1/evidence?pod=llm/a")[1], type=NodeLook)
    assert look.pods[0].shm == Missing("gpu-a has no such pod")


def test_a_scrape_is_answered_before_any_look_and_starts_none(agent: NodeAgent) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    end = serve_metrics(("127.0.0.1", port), agent)
    try:
        status, body, _ = _answer(port, "/metrics")
        others = [_answer(port, path)[0] for path in ("/metrics/", "/", "/healthz", "/metric")]
    finally:
        end()
    assert (status, others) == (200, [200, 200, 200, 404])
    assert b"distcheck_build_info" in body
    assert (agent.watch.last, agent.probing.outcomes) == (None, {})


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_health_is_503_once_a_loop_of_the_agent_is_dead(agent: NodeAgent, port: int) -> None:
    assert _answer(port, "/healthz")[:2] == (200, b"ok\n")
    loop = agent.watch.loop = Loop("watch", sys.exit, lambda: None, 1.0)
    loop.start()
    assert loop.thread is not None
    loop.thread.join(5)
    assert _answer(port, "/healthz")[:2] == (503, b"watch: its thread has ended\n")
