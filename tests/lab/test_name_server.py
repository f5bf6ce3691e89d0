"""The lab's name server answers as one does: real clients are served, wrong bytes end nothing."""

import socket

from distcheck.agent.dns_message import AAAA, A, question, read_answer
from distcheck.lab.name_server import NameServer


def ask(server: NameServer, message: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(message, ("127.0.0.1", server.port))
        return client.recv(512)


def test_it_knows_its_records_in_any_case_and_no_others() -> None:
    server = NameServer("127.0.0.1", {"Head.llm": "10.0.0.2"})
    try:
        known = read_answer(ask(server, question(1, "HEAD.llm", A)), 1, "head.llm", A)
        assert known.addresses == ("10.0.0.2",)
        six = read_answer(ask(server, question(2, "head.llm", AAAA)), 2, "head.llm", AAAA)
        assert (six.code, six.addresses) == (0, ())
        assert read_answer(ask(server, question(3, "x", A)), 3, "x", A).code == 3
    finally:
        server.close()


def test_a_silent_one_and_broken_questions_end_nothing() -> None:
    server = NameServer("127.0.0.1", {"head": "10.0.0.2"})
    try:
        for junk in (b"x", b"\0" * 12, b"\xff" * 40):
            ask(server, junk)
        assert read_answer(ask(server, question(1, "head", A)), 1, "head", A).addresses
    finally:
        server.close()
