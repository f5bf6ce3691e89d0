"""Connections in the agent's own network namespace: how each one ends."""

import socket
from pathlib import Path

from distcheck.agent.probes.ports import MAX_TARGETS, PortTarget, is_own, look
from distcheck.checks.evidence import PortProbe
from distcheck.lab.listeners import Dropper, Listener

OWN = Path("/proc/self/ns/net")


def _target(address: str, port: int) -> PortTarget:
    return PortTarget("llm/vllm-head-0", address, port, "gcs")


def _here(*targets: PortTarget, source: str | None = None) -> list[PortProbe]:
    return look(OWN, source, targets)


def test_a_listener_in_the_agents_own_namespace_is_open() -> None:
    listener = Listener("127.0.0.1")
    try:
        (probe,) = _here(_target("127.0.0.1", listener.port))
    finally:
        listener.close()
    assert (probe.outcome, probe.peer, probe.service) == ("open", "llm/vllm-head-0", "gcs")


def test_a_listener_that_takes_no_more_is_filtered() -> None:
    dropper = Dropper("127.0.0.1")
    try:
        (probe,) = _here(_target("127.0.0.1", dropper.port))
    finally:
        dropper.close()
    assert probe.outcome == "filtered"
    assert probe.detail == "no answer in 2 s"


def test_a_closed_port_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        (probe,) = _here(_target("127.0.0.1", taken.getsockname()[1]))
    assert probe.outcome == "refused"


def test_the_connection_starts_from_the_pods_own_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        _here(_target("127.0.0.1", server.getsockname()[1]), source="127.0.0.9")
        accepted, peer = server.accept()
        accepted.close()
    assert peer[0] == "127.0.0.9"


def test_targets_beyond_the_limit_say_that_they_were_not_tried() -> None:
    listener = Listener("127.0.0.1")
    try:
        seen = _here(*[_target("127.0.0.1", listener.port)] * (MAX_TARGETS + 1))
    finally:
        listener.close()
    assert [p.outcome for p in seen].count("open") == MAX_TARGETS
    assert (seen[-1].outcome, seen[-1].detail[:9]) == ("error", "not tried")


def test_the_agents_own_namespace_is_known_as_its_own() -> None:
    assert is_own(OWN)
