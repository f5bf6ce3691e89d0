"""The agent's evidence door: HTTP on the loopback of its own pod."""

import re
import select
import socket
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import msgspec

from distcheck.agent.bounded_server import BoundedHandler, BoundedServer
from distcheck.agent.node import Asked, Busy, NodeAgent
from distcheck.agent.peer_address import why_not
from distcheck.agent.probes.ports import PortTarget

MAX_PODS, MAX_PEERS = 64, 512
_PATH = "/v1/evidence"
_POD = re.compile(r"[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


class BadQuestion(ValueError):  # noqa: N818 - what it is, said to the caller
    """The request is not one that the door takes; the message names what is wrong."""


def asked_of(query: str) -> Asked:
    """`pod=ns/name&peer=ns/name|ip|port|service` as a question.

    Raises:
        BadQuestion: an unknown parameter, a malformed value, too many of them, or no pod.
    """
    try:
        given = parse_qs(query, strict_parsing=bool(query), max_num_fields=2 * MAX_PEERS)
    except ValueError as error:
        raise BadQuestion(f"malformed query: {error}") from error
    if given.keys() - {"pod", "peer"}:
        raise BadQuestion(f"unknown parameter: {', '.join(sorted(given.keys() - {'pod', 'peer'}))}")
    pods, peers = given.get("pod", []), given.get("peer", [])
    if not 0 < len(pods) <= MAX_PODS or len(peers) > MAX_PEERS:
        raise BadQuestion(f"ask for 1 to {MAX_PODS} pods and at most {MAX_PEERS} peers")
    return Asked(tuple(_pod(p) for p in pods), tuple(_target(p) for p in peers))


def _pod(key: str) -> str:
    if not _POD.match(key):
        raise BadQuestion(f"pod {key!r} is not like llm/vllm-head-0")
    return key


def _target(peer: str) -> PortTarget:
    parts = peer.split("|")
    if len(parts) != 4 or not _PORT.match(parts[2]) or not 0 < int(parts[2]) < 65536:
        raise BadQuestion(f"peer {peer!r} is not like llm/vllm-head-0|10.0.0.2|6379|gcs")
    refused = why_not(parts[1])
    if refused is not None:
        raise BadQuestion(f"peer {peer!r}: {refused}")
    return PortTarget(parts[0], parts[1], int(parts[2]), parts[3])


class _Handler(BoundedHandler):
    """`/healthz` and `/v1/evidence`."""

    server: "Door"

    def get(self) -> None:
        """Answer by the path."""
        try:
            url = urlsplit(self.path)
        except ValueError:
            self.answer(HTTPStatus.BAD_REQUEST, b"malformed path\n")
            return
        if url.path == "/healthz":
            self.answer(HTTPStatus.OK, b"ok\n")
        elif url.path == _PATH:
            self._evidence(url.query)
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"no such page\n")

    def _evidence(self, query: str) -> None:
        try:
            look = self.server.agent.look(asked_of(query), self._is_gone)
        except BadQuestion as error:
            self.answer(HTTPStatus.BAD_REQUEST, f"{error}\n".encode("utf-8", "replace"))
        except Busy as error:
            said = f"{error}\n".encode()
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, said, Retry_After="5")
        else:
            self.answer(HTTPStatus.OK, msgspec.json.encode(look), "application/json")

    def _is_gone(self) -> bool:
        """Whether the client hung up: nobody sends more than one question, or waits half-closed."""
        coming = select.poll()
        coming.register(self.connection, select.POLLIN)
        try:
            return bool(coming.poll(0)) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True


class Door(BoundedServer):
    """Serves one agent."""

    def __init__(self, address: tuple[str, int], agent: NodeAgent) -> None:
        self.agent = agent
        super().__init__(address, _Handler)
