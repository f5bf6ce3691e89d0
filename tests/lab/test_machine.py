"""Ports that the lab gives: nobody else has them, and nobody takes them meanwhile."""

import socket
from pathlib import Path

import pytest

from distcheck.lab import machine


def test_a_port_is_none_of_those_that_linux_gives_to_who_connects() -> None:
    first, _ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if first < 32768:
        pytest.skip(f"this machine gives ports from {first} on to who connects")
    assert all(machine.free_port() < first for _ in range(50))


def test_no_port_is_given_twice_while_its_taker_may_not_have_bound_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = range(40000, 40004)
    monkeypatch.setattr(machine, "_PORTS", few)
    monkeypatch.setattr(machine, "_is_free", lambda _: True)
    assert sorted(machine.free_port() for _ in few) == list(few)


def test_a_port_that_somebody_has_on_another_address_is_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken, free = machine.free_port(), machine.free_port()
    monkeypatch.setattr(machine, "_PORTS", (taken, free))
    monkeypatch.setattr(machine, "_reserve", lambda _: True)
    with socket.create_server(("127.9.8.7", taken)):
        assert {machine.free_port() for _ in range(20)} == {free}
