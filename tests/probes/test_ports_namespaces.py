"""Connections from inside another network namespace, with real firewall rules in the way."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.probes.node_folder import need_root

from distcheck.agent.probes import ports
from distcheck.agent.probes.ports import PortTarget
from distcheck.checks.evidence import PortProbe

POD, PEER = "10.213.77.2", "10.213.77.3"
POD6, PEER6 = "fd77:213::2", "fd77:213::3"
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


def _sh(*words: str, text: str | None = None) -> None:
    subprocess.run(words, check=True, input=text, text=True, capture_output=True)


@pytest.fixture(scope="module")
def pod() -> Iterator[Path]:
    """`ns/net` of a process in a namespace that a second one is joined to."""
    for tool in ("ip", "nft", "unshare"):
        why = need_root(tool)
        if why:
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)
    one, two = (f"distcheck-{os.getpid()}-{n}" for n in "ab")
    with ExitStack() as stack:
        for name in (one, two):
            _sh("ip", "netns", "add", name)
            stack.callback(_sh, "ip", "netns", "del", name)
        _join(one, two)
        _sh("ip", "netns", "exec", two, "nft", "-f", "-", text=RULES)
        _sh("ip", "netns", "exec", one, "nft", "-f", "-", text=OUTBOUND)
        stack.enter_context(_inside(two, "python3", "-c", LISTEN))
        pid = stack.enter_context(_inside(one, "sh", "-c", "echo ready; read -r over"))
        yield Path(f"/proc/{pid}/ns/net")


def _join(one: str, two: str) -> None:
    veth = f"dc{os.getpid()}"
    _sh(
        "ip",
        "link",
        "add",
        f"{veth}a",
        "netns",
        one,
        "type",
        "veth",
        "peer",
        f"{veth}b",
        "netns",
        two,
    )
    for name, end, ip, ip6 in ((one, "a", POD, POD6), (two, "b", PEER, PEER6)):
        run = ("ip", "-n", name)
        _sh(*run, "addr", "add", f"{ip}/24", "dev", f"{veth}{end}")
        _sh(*run, "addr", "add", f"{ip6}/64", "dev", f"{veth}{end}", "nodad")
        _sh(*run, "link", "set", f"{veth}{end}", "up")
        _sh(*run, "link", "set", "lo", "up")


@contextmanager
def _inside(name: str, *words: str) -> Iterator[int]:
    """The pid of a process in that namespace, once it is ready."""
    command = ["ip", "netns", "exec", name, *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        process.stdin.write(b"\n")
        process.stdin.close()


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
    before = time.monotonic()
    assert {p.outcome for p in ports.look(pod, None, targets)} == {"filtered"}
    assert time.monotonic() - before < 5
    assert Path("/proc/thread-self/ns/net").readlink() == home
    assert not ports.is_own(pod)
