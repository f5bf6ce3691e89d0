"""An agent's listener in its own network namespace: whom it answers, and how it ends."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.greeting import PADDING, hear, line
from distcheck.agent.listeners import MOST_OF_POD, Allowance, Listeners
from distcheck.agent.listening import ListenAt
from distcheck.agent.probes import ports
from distcheck.agent.probes.port_listener import PortListener, ephemeral_range
from distcheck.agent.probes.ports import PortTarget
from distcheck.checks.evidence import PortProbe

OWN = Path("/proc/self/ns/net")
IP, FRIEND, STRANGER = "127.84.0.2", "127.84.0.3", "127.84.0.4"


@pytest.fixture
def listener() -> Iterator[PortListener]:
    one = PortListener(OWN, IP, [FRIEND])
    yield one
    one.close()


def tried(one: PortListener, source: str, nonce: str | None = None) -> PortProbe:
    target = PortTarget("llm/peer", IP, one.port, "nccl", nonce or one.nonce)
    return ports.look(OWN, source, [target])[0]


def test_an_expected_address_hears_the_nonce_and_ends_the_listener(listener: PortListener) -> None:
    seen = tried(listener, FRIEND)
    assert (seen.outcome, seen.seen_as, seen.detail) == ("open", FRIEND, "")
    listener._thread.join(2)
    assert not listener.there


def test_another_address_hears_how_it_is_seen_and_no_nonce(listener: PortListener) -> None:
    with socket.create_connection((IP, listener.port), source_address=(STRANGER, 0)) as client:
        assert client.recv(256).startswith(line("-", STRANGER))
    seen = tried(listener, STRANGER)
    assert (seen.outcome, seen.seen_as) == ("open", STRANGER)
    assert "told it no nonce" in seen.detail


def test_strangers_are_answered_sixteen_times_and_friends_still_after(
    listener: PortListener,
) -> None:
    with socket.create_connection((IP, listener.port), source_address=(STRANGER, 0)):
        pass
    answers = []
    for _ in range(17):
        with socket.create_connection((IP, listener.port), source_address=(STRANGER, 0)) as one:
            answers.append(bool(one.recv(256)))
    assert answers == [True] * 15 + [False] * 2
    assert tried(listener, FRIEND).outcome == "open"


def test_another_nonce_is_not_this_listener(listener: PortListener) -> None:
    seen = tried(listener, FRIEND, nonce="0" * 32)
    assert (seen.outcome, seen.detail[:36]) == ("silent", "accepted, but not by the agent's lis")


def test_whoever_talks_to_a_listener_is_hung_up_on(listener: PortListener) -> None:
    with socket.create_connection((IP, listener.port), source_address=(STRANGER, 0)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.settimeout(2)
        told = client.recv(256)
        assert not told or told.startswith(line("-", STRANGER))
        with suppress(ConnectionResetError):
            assert len(b"".join(iter(lambda: client.recv(65536), b""))) <= PADDING


def test_the_held_port_is_of_the_same_range_and_nobody_listens_there(
    listener: PortListener,
) -> None:
    first, last = ephemeral_range(OWN) or (0, 0)
    assert first <= listener.port <= last
    assert first <= listener.unused <= last
    target = PortTarget("llm/peer", IP, listener.unused, "unused")
    assert ports.look(OWN, FRIEND, [target])[0].outcome == "refused"


@settings(deadline=None, max_examples=60)
@given(st.binary(max_size=300))
def test_anything_else_that_is_said_is_no_word_of_a_listener(said: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(said)
        there.shutdown(socket.SHUT_WR)
        assert hear(here, "a" * 32, 0.5).outcome == "silent"


@pytest.mark.parametrize(
    ("after", "outcome"), [(PADDING, "open"), (0, "black_hole"), (1448, "error")]
)
def test_what_comes_after_the_line_tells_whether_full_size_packets_pass(
    after: int, outcome: str
) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(line("a" * 32, FRIEND) + bytes(after))
        there.shutdown(socket.SHUT_WR)
        assert hear(here, "a" * 32, 0.5).outcome == outcome


def test_one_pod_has_four_listeners_at_most_and_an_address_that_is_its_own() -> None:
    held = Listeners()
    at = ListenAt("llm/vllm-head-0", IP)
    opened = [held.open(OWN, at, [FRIEND]) for _ in range(MOST_OF_POD + 1)]
    assert [bool(o.port) for o in opened] == [True] * MOST_OF_POD + [False]
    assert opened[-1].why == "too many listeners are open already"
    held.close()
    assert held.open(OWN, at, [FRIEND]).port
    held.close()
    assert "assign" in held.open(OWN, ListenAt("llm/x", "203.0.113.7"), []).why


def test_an_agent_makes_so_many_connections_in_a_minute_and_no_more() -> None:
    few = Allowance(10, seconds=60)
    assert [few.take(n) for n in (6, 6, 6)] == [6, 4, 0]
    assert Allowance(3, seconds=0).take(5) == 3


def test_a_translated_caller_is_sent_full_size_packets_and_says_so_where_none_come() -> None:
    for padding, outcome in ((PADDING, "open"), (0, "error")):
        here, there = socket.socketpair()
        with here, there:
            there.sendall(line("-", STRANGER))
            there.sendall(bytes(padding))
            heard = hear(here, "a" * 32, 0.1)
        assert (heard.outcome, heard.seen_as) == (outcome, STRANGER)
        assert "told it no nonce" in heard.detail
