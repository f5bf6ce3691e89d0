"""Connections from inside a real network namespace, through a real firewall."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.probes.node_folder import need_root

from distcheck.agent.probes.ports import MAX_TARGETS, PortTarget, is_own, look
from distcheck.checks.evidence import PortProbe
from distcheck.lab.listeners import Dropper, Listener

OWN = Path("/proc/self/ns/net")
HOST, POD = "10.203.77.1", "10.203.77.2"
OPEN, DROPPED, REJECTED, PROHIBITED, RESET, CLOSED = 7001, 7002, 7003, 7004, 7005, 7006
RULES = f"""
table inet distcheck_test {{
  chain input {{
    type filter hook input priority 0; policy accept;
    ip daddr {HOST} tcp dport {DROPPED} drop
    ip daddr {HOST} tcp dport {REJECTED} reject with icmp type port-unreachable
    ip daddr {HOST} tcp dport {PROHIBITED} reject with icmp type admin-prohibited
    ip daddr {HOST} tcp dport {RESET} reject with tcp reset
  }}
}}
"""


def _target(address: str, port: int) -> PortTarget:
    return PortTarget("llm/vllm-head-0", address, port, "gcs")


def _run(*words: str, stdin: str = "") -> None:
    subprocess.run(words, input=stdin.encode(), check=True, capture_output=True)


@pytest.fixture
def namespaces() -> Iterator[Path]:
    """A pod's namespace, joined by a cable to one with a firewall and listeners; the pod's path."""
    why = need_root("ip") or need_root("nft")
    if why:
        assert not os.environ.get("CI"), f"CI {why}"
        pytest.skip(why)
    host, pod = f"dch{os.getpid()}", f"dcp{os.getpid()}"
    try:
        for name in (host, pod):
            _run("ip", "netns", "add", name)
        _run("ip", "-n", host, "link", "add", "a", "type", "veth", "peer", "b", "netns", pod)
        for name, link, address in ((host, "a", HOST), (pod, "b", POD)):
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", link)
            _run("ip", "-n", name, "link", "set", link, "up")
        _run("ip", "netns", "exec", host, "nft", "-f", "-", stdin=RULES)
        yield from _listening(host, Path("/run/netns") / pod)
    finally:
        for name in (host, pod):
            subprocess.run(("ip", "netns", "del", name), check=False, capture_output=True)


def _listening(host: str, pod: Path) -> Iterator[Path]:
    serve = (
        "import socket, sys\n"
        f"held = [socket.create_server(('{HOST}', p)) for p in range({OPEN}, {CLOSED})]\n"
        "print('ready', flush=True)\nsys.stdin.read()\n"
    )
    words = ["ip", "netns", "exec", host, "python3", "-c", serve]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        yield pod
        server.stdin.close()


def test_each_answer_of_a_firewall_is_told_apart(namespaces: Path) -> None:
    home = OWN.stat().st_ino
    ports = (OPEN, DROPPED, REJECTED, PROHIBITED, RESET, CLOSED)
    seen = {p.port: p for p in look(namespaces, None, [_target(HOST, p) for p in ports])}
    assert {port: seen[port].outcome for port in ports} == {
        OPEN: "open",
        DROPPED: "filtered",
        REJECTED: "rejected",
        PROHIBITED: "rejected",
        RESET: "refused",
        CLOSED: "refused",
    }
    assert seen[REJECTED].detail == f"ICMP port unreachable from {HOST}"
    assert seen[PROHIBITED].detail == f"ICMP prohibited from {HOST}"
    assert 1.5 < seen[DROPPED].seconds < 4
    assert OWN.stat().st_ino == home


def test_an_address_without_a_route_is_rejected_not_open(namespaces: Path) -> None:
    (probe,) = look(namespaces, None, [_target("10.204.0.1", 6379)])
    assert probe.outcome == "rejected"


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
