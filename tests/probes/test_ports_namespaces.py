"""Connections from inside another network namespace, with real firewall rules in the way."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.probes.namespaces import PEER, PEER6, POD, POD6, inside, join, need_namespaces, sh

from distcheck.agent.probes import ports
from distcheck.agent.probes.ports import PortTarget
from distcheck.checks.evidence import PortProbe

LISTEN = """
import socket
s = [socket.create_server(("10.213.77.3", p)) for p in range(7001, 7010)]
s += [socket.create_server(("fd77:213::3", p), family=socket.AF_INET6) for p in range(7001, 7010)]
print("ready", flush=True)
input()
"""
RULES = """
table inet distcheck {
  chain in {
    type filter hook input priority 0;
    tcp dport 7002 drop
    tcp dport 7003 reject with tcp reset
    tcp dport 7004 reject with icmpx type admin-prohibited
    tcp dport 7005 reject with icmpx type port-unreachable
    tcp dport 7006 reject with icmpx type host-unreachable
  }
}
"""
OUTBOUND = """
table inet distcheck {
  chain out {
    type filter hook output priority 0;
    tcp dport 7007 reject with icmpx type admin-prohibited
    tcp dport 7008 drop
  }
}
"""


@pytest.fixture(scope="module")
def pod() -> Iterator[Path]:
    """`ns/net` of a process in a namespace that a second one is joined to."""
    need_namespaces()
    one, two = (f"distcheck-{os.getpid()}-{n}" for n in "ab")
    with ExitStack() as stack:
        for name in (one, two):
            sh("ip", "netns", "add", name)
            stack.callback(sh, "ip", "netns", "del", name)
        join(one, two)
        sh("ip", "netns", "exec", two, "nft", "-f", "-", text=RULES)
        sh("ip", "netns", "exec", one, "nft", "-f", "-", text=OUTBOUND)
        stack.enter_context(inside(two, "python3", "-c", LISTEN))
        pid = stack.enter_context(inside(one, "sh", "-c", "echo ready; read -r over"))
        yield Path(f"/proc/{pid}/ns/net")


def tried(pod: Path, address: str, port: int) -> PortProbe:
    return ports.look(pod, None, [PortTarget("llm/peer", address, port, "gcs")])[0]


@pytest.mark.parametrize("peer", [PEER, PEER6])
def test_an_allowed_port_is_open(pod: Path, peer: str) -> None:
    assert tried(pod, peer, 7001).outcome == "open"


@pytest.mark.parametrize("peer", [PEER, PEER6])
@pytest.mark.parametrize("port", [7002, 7008])
def test_a_dropped_packet_is_filtered(pod: Path, peer: str, port: int) -> None:
    assert tried(pod, peer, port).outcome == "filtered"


@pytest.mark.parametrize("port", [7003, 7010])
def test_a_reset_is_refused_whether_a_policy_or_the_machine_sent_it(pod: Path, port: int) -> None:
    seen = tried(pod, PEER, port)
    assert seen.outcome == "refused"
    assert "or a policy answers" in seen.detail


@pytest.mark.parametrize("peer", [PEER, PEER6])
@pytest.mark.parametrize(
    ("port", "says"),
    [(7004, "prohibited"), (7005, "port unreachable"), (7006, "host unreachable")],
)
def test_an_icmp_rejection_names_its_kind_and_its_sender(
    pod: Path, peer: str, port: int, says: str
) -> None:
    seen = tried(pod, peer, port)
    assert (seen.outcome, seen.detail) == ("rejected", f"ICMP {says} from {peer}")


@pytest.mark.parametrize(("peer", "own"), [(PEER, POD), (PEER6, POD6)])
def test_a_rejection_on_the_way_out_names_the_pod_itself(pod: Path, peer: str, own: str) -> None:
    seen = tried(pod, peer, 7007)
    assert (seen.outcome, seen.detail) == ("rejected", f"ICMP prohibited from {own}")


def test_a_network_without_a_route_is_rejected(pod: Path) -> None:
    assert tried(pod, "198.51.100.1", 7001).outcome == "rejected"


def test_many_targets_are_tried_at_once_and_this_process_stays_home(pod: Path) -> None:
    home = Path("/proc/thread-self/ns/net").readlink()
    targets = [PortTarget("llm/peer", PEER, 7002, "gcs")] * 40
    begun = time.monotonic()
    seen = ports.look(pod, None, targets)
    assert sum(p.seconds for p in seen) > 2 * (time.monotonic() - begun)
    assert {p.outcome for p in seen} == {"filtered"}
    assert Path("/proc/thread-self/ns/net").readlink() == home
    assert not ports.is_own(pod)
