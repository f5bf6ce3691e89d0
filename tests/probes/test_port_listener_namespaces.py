"""An agent's listener in one pod, reached or not from another, with real rules in the way."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from msgspec import Struct
from tests.probes.namespaces import PEER, PEER6, POD, POD6, inside, join, need_namespaces, sh

from distcheck.agent.probes import ports
from distcheck.agent.probes.port_listener import PortListener, ephemeral_range
from distcheck.agent.probes.ports import PortTarget
from distcheck.checks.evidence import PortProbe

SIDECAR = """
import socket
s = socket.create_server(("", 15001))
print("ready", flush=True)
while True:
    s.accept()[0].close()
"""


class Two(Struct, frozen=True):
    """Two pods: names of their namespaces, and paths to them."""

    names: tuple[str, str]
    pod: Path
    peer: Path

    @contextmanager
    def rules(self, where: int, hook: str, *rules: str, kind: str = "filter") -> Iterator[None]:
        """Rules in one of the two, for a while."""
        inet = ("ip", "netns", "exec", self.names[where], "nft")
        lines = (f"type {kind} hook {hook} priority 0;", *rules)
        chain = "\n".join(("chain c {", *lines, "}"))
        sh(*inet, "-f", "-", text=f"table inet distcheck {{\n{chain}\n}}\n")
        try:
            yield
        finally:
            sh(*inet, "delete", "table", "inet", "distcheck")


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "TIMEOUT", 0.5)


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    need_namespaces()
    names = (f"distcheck-{os.getpid()}-l", f"distcheck-{os.getpid()}-m")
    with ExitStack() as stack:
        for name in names:
            sh("ip", "netns", "add", name)
            stack.callback(sh, "ip", "netns", "del", name)
        join(*names)
        waits = ("sh", "-c", "echo ready; read -r over")
        pids = [stack.enter_context(inside(name, *waits)) for name in names]
        found = Two(names, *(Path(f"/proc/{pid}/ns/net") for pid in pids))
        for _ in range(9):
            if tried_at(found, PEER6).outcome == "refused":
                break  # a new link takes a while to find IPv6 neighbours
        yield found


def tried_at(two: Two, address: str, port: int = 9) -> PortProbe:
    return ports.look(two.pod, None, [PortTarget("llm/peer", address, port, "gcs")])[0]


def tried(
    two: Two, *rules: str, hook: str = "input", where: int = 1, six: bool = False
) -> PortProbe:
    """From the pod to a listener in its peer, with rules that may name its $PORT or $UNUSED."""
    return both(two, *rules, hook=hook, where=where, six=six)[0]


def both(
    two: Two,
    *rules: str,
    hook: str = "input",
    where: int = 1,
    six: bool = False,
    kind: str = "filter",
) -> list[PortProbe]:
    here, there = (POD6, PEER6) if six else (POD, PEER)
    one = PortListener(two.peer, there, [here])
    named = [r.replace("$PORT", str(one.port)).replace("$UNUSED", str(one.unused)) for r in rules]
    targets = [
        PortTarget("llm/peer", there, one.port, "nccl", one.nonce),
        PortTarget("llm/peer", there, one.unused, "unused"),
    ]
    try:
        if not named:
            return ports.look(two.pod, None, targets)
        with two.rules(where, hook, *named, kind=kind):
            return ports.look(two.pod, None, targets)
    finally:
        one.close()


@pytest.mark.parametrize("six", [False, True])
def test_an_open_range_says_the_nonce_and_how_the_source_is_seen(two: Two, six: bool) -> None:
    listened, unused = both(two, six=six)
    assert (listened.outcome, listened.seen_as) == ("open", POD6 if six else POD)
    assert unused.outcome == "refused"


@pytest.mark.parametrize("six", [False, True])
@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("tcp dport 1024-65535 drop", "filtered"),
        ("tcp dport 1024-65535 reject with tcp reset", "refused"),
        ("tcp dport 1024-65535 reject with icmpx type port-unreachable", "rejected"),
        ("tcp dport 1024-65535 reject with icmpx type admin-prohibited", "rejected"),
    ],
)
def test_a_closed_range_is_told_by_how_it_is_closed(
    two: Two, rule: str, outcome: str, six: bool
) -> None:
    assert tried(two, rule, six=six).outcome == outcome


def test_known_ports_alone_do_not_open_the_range(two: Two) -> None:
    rules = ("tcp dport {6379, 29400-29500} accept", "tcp flags & (syn|ack) == syn drop")
    assert tried(two, *rules).outcome == "filtered"


def test_one_port_of_the_range_that_is_dropped_shows(two: Two) -> None:
    listened, unused = both(two, "tcp dport $UNUSED drop")
    assert (listened.outcome, unused.outcome) == ("open", "filtered")


def test_a_direction_that_is_closed_is_not_the_other_one(two: Two) -> None:
    with two.rules(1, "input", "tcp flags & (syn|ack) == syn drop"):
        there = PortListener(two.peer, PEER, [POD])
        back = PortListener(two.pod, POD, [PEER])
        to = PortTarget("llm/peer", PEER, there.port, "nccl", there.nonce)
        fro = PortTarget("llm/pod", POD, back.port, "nccl", back.nonce)
        assert ports.look(two.pod, None, [to])[0].outcome == "filtered"
        assert ports.look(two.peer, None, [fro])[0].outcome == "open"
        there.close()
        back.close()


@pytest.mark.parametrize("six", [False, True])
def test_full_size_packets_that_are_lost_are_a_black_hole(two: Two, six: bool) -> None:
    seen = tried(two, "meta length > 1200 drop", where=0, six=six)
    assert (seen.outcome, seen.detail) == (
        "black_hole",
        "connected, but 0 of 9000 bytes came in 0.5 s",
    )


def test_a_sidecar_that_answers_for_everybody_is_not_an_open_port(two: Two) -> None:
    with inside(two.names[0], "python3", "-c", SIDECAR, ends=True):
        listened, unused = both(
            two,
            "tcp dport 1024-65535 redirect to :15001",
            hook="output",
            where=0,
            kind="nat",
        )
    assert (listened.outcome, unused.outcome) == ("silent", "open")
    assert "not by the agent's listener" in listened.detail


def test_a_translated_source_is_open_and_named(two: Two) -> None:
    sh("ip", "-n", two.names[0], "addr", "add", "10.213.77.9/24", "dev", f"dc{os.getpid()}a")
    rule = "ip saddr 10.213.77.2 snat ip to 10.213.77.9"
    seen = both(two, rule, hook="postrouting", where=0, kind="nat")[0]
    assert (seen.outcome, seen.seen_as) == ("open", "10.213.77.9")
    assert seen.detail == "the listener saw 10.213.77.9, and told it no nonce"


def test_a_listener_picks_from_the_range_of_the_pod_not_of_the_agent(two: Two) -> None:
    own = ephemeral_range(Path("/proc/self/ns/net"))
    sh(
        "ip", "netns", "exec", two.names[1], "sysctl", "-qw",
        "net.ipv4.ip_local_port_range=20000 20100",
    )  # fmt: skip
    one = PortListener(two.peer, PEER, [POD])
    assert 20000 <= one.port <= 20100
    assert ephemeral_range(two.peer) == (20000, 20100) != own
    assert ephemeral_range(Path("/proc/self/ns/net")) == own
    one.close()


def test_an_address_of_another_pod_cannot_be_listened_on(two: Two) -> None:
    with pytest.raises(OSError, match="Cannot assign requested address"):
        PortListener(two.peer, POD, [])


@pytest.mark.parametrize(
    ("address", "why"), [("127.0.0.1", "the pod itself"), ("8.8.8.8", "public address")]
)
def test_the_pod_itself_and_public_addresses_are_not_tried(
    two: Two, address: str, why: str
) -> None:
    sh("ip", "-n", two.names[0], "route", "replace", "default", "via", PEER)
    seen = tried_at(two, address, 443)
    assert (seen.outcome, seen.seconds) == ("error", 0.0)
    assert why in seen.detail


def test_the_kubernetes_api_is_not_tried(two: Two) -> None:
    target = PortTarget("llm/peer", PEER, 443, "gcs")
    seen = ports.look(two.pod, None, [target], (PEER,))[0]
    assert seen.detail.startswith("not tried: 10.213.77.3 is the Kubernetes API")


def test_a_listener_is_gone_after_its_time(two: Two) -> None:
    one = PortListener(two.peer, PEER, [POD], seconds=0.2)
    time.sleep(0.5)
    assert not one.there
    target = PortTarget("llm/peer", PEER, one.port, "nccl", one.nonce)
    assert ports.look(two.pod, None, [target])[0].outcome == "refused"
