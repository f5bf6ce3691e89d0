"""The lab's ports behave as real ones: open, dropped, closed."""

import socket

import pytest

from distcheck.lab.listeners import Dropper, Listener

IP = "127.91.7.2"


def test_a_listener_accepts() -> None:
    listener = Listener(IP)
    try:
        for _ in range(3):
            socket.create_connection((IP, listener.port), timeout=2).close()
    finally:
        listener.close()


def test_a_dropped_port_answers_nothing_at_all() -> None:
    dropper = Dropper(IP)
    try:
        with pytest.raises(TimeoutError):
            socket.create_connection((IP, dropper.port), timeout=0.5)
    finally:
        dropper.close()


def test_a_closed_listener_refuses() -> None:
    listener = Listener(IP)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((IP, listener.port), timeout=2)
