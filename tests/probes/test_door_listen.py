"""The door's second question: to listen for a moment in a pod's network namespace."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import Node

from distcheck.agent.bounded_server import serve
from distcheck.agent.door import BadQuestion, Door, to_listen
from distcheck.agent.listening import NodeListens
from distcheck.agent.node import NodeAgent
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.settings import Settings, read_settings
from distcheck.checks.evidence import Missing, NodeLook, PortProbes
from distcheck.lab.nvml import LabNvml

KEY, IP, OTHER = "llm/vllm-head-0", "127.85.0.2", "127.85.0.3"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path).start()
    made.process(4242, ["vllm", "serve", "/models/llama"], environ={"VLLM_HOST_IP": OTHER})
    made.log("0.log", "2026-01-15T09:20:00.1Z stdout F hello\n")
    return made


@contextmanager
def door(settings: Settings, root: Path) -> Iterator[HTTPConnection]:
    agent = NodeAgent(settings, Nvml(LabNvml(root / "nvml.json")), lambda _a: Missing("no Ray"))
    server = Door(("127.0.0.1", 0), agent)
    stop = serve(server)
    try:
        yield HTTPConnection("127.0.0.1", server.server_address[1], timeout=60)
    finally:
        stop()


def asked(connection: HTTPConnection, path: str) -> bytes:
    connection.connect()
    connection.request("GET", path)
    return connection.getresponse().read()


def listened(connection: HTTPConnection, at: str = f"{KEY}|{IP}") -> NodeListens:
    body = asked(connection, f"/v1/listen?pod={at}&from={OTHER}")
    return msgspec.json.decode(body, type=NodeListens)


def test_an_agent_listens_and_another_one_hears_its_word(node: Node) -> None:
    with door(node.settings, node.root) as connection:
        (one,) = listened(connection).pods
        peer = f"llm/vllm-worker-0|{IP}|{one.port}|nccl|{one.nonce}"
        unused = f"llm/vllm-worker-0|{IP}|{one.unused}|unused"
        body = asked(connection, f"/v1/evidence?pod={KEY}&peer={peer}&peer={unused}")
    ports = msgspec.json.decode(body, type=NodeLook).pods[0].ports
    assert isinstance(ports, PortProbes)
    assert [(p.service, p.outcome, p.seen_as) for p in ports.probes] == [
        ("nccl", "open", OTHER),
        ("unused", "refused", ""),
    ]
    assert ports.ephemeral == one.ephemeral
    assert one.nonce not in json.dumps(msgspec.to_builtins(ports))


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (f"llm/elsewhere-0|{IP}", "no process of llm/elsewhere-0 is seen on gpu-a"),
        (f"{KEY}|203.0.113.7", "Cannot assign requested address"),
    ],
)
def test_where_it_cannot_listen_it_says_why(node: Node, at: str, why: str) -> None:
    with door(node.settings, node.root) as connection:
        (one,) = listened(connection, at).pods
    assert one.port == 0
    assert why in one.why


def test_it_listens_nowhere_unless_probes_are_switched_on(node: Node) -> None:
    with door(msgspec.structs.replace(node.settings, port_probes=False), node.root) as connection:
        (one,) = listened(connection).pods
    assert (one.port, one.why) == (0, "port probes are switched off on gpu-a")


def test_probes_are_off_and_the_api_server_is_known_by_default() -> None:
    given = read_settings({"KUBERNETES_SERVICE_HOST": "10.96.0.1"})
    assert (given.port_probes, given.api_server) == (False, "10.96.0.1")


@settings(deadline=None)
@given(st.text() | st.from_regex(r"pod=[^&]{0,9}\|[0-9a-f.:]{0,9}&from=[0-9a-f.:]{0,9}"))
def test_any_query_to_listen_is_understood_or_refused(query: str) -> None:
    try:
        assert to_listen(query).at
    except BadQuestion:
        return
