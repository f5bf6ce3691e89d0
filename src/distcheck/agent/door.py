"""The agent's evidence door: HTTP on the loopback of its own pod."""

import re
import select
import socket
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct

from distcheck.agent.bounded_server import BoundedHandler, BoundedServer
from distcheck.agent.greeting import NONCE
from distcheck.agent.listening import AskedToListen, ListenAt
from distcheck.agent.node import Asked, Busy, NodeAgent
from distcheck.agent.peer_address import why_not
from distcheck.agent.probes.ports import PortTarget

MAX_PODS, MAX_PEERS = 64, 512
_PATH, _LISTEN = "/v1/evidence", "/v1/listen"
_POD = re.compile(r"[a-z0-9.-]{1,253}/[a-z0-9.-]{1,253}\Z")
_PORT = re.compile(r"[0-9]{1,5}\Z")


class BadQuestion(ValueError):  # noqa: N818 - what it is, said to the caller
    """The request is not one that the door takes; the message names what is wrong."""


def asked_of(query: str) -> Asked:
    """`pod=ns/name&peer=ns/name|ip|port|service|nonce` as a question; the nonce may be left out.

    Raises:
        BadQuestion: an unknown parameter, a malformed value, too many of them, or no pod; or
            peers in another namespace than the pods, where their group cannot be.
    """
    pods, peers = _given(query, "peer")
    asked = Asked(tuple(_pod(p) for p in pods), tuple(_target(p) for p in peers))
    namespaces = {_namespace(key) for key in (*asked.pods, *(t.peer for t in asked.targets))}
    if peers and len(namespaces) > 1:
        raise BadQuestion("the pods and peers of one question are of one namespace")
    return asked


def to_listen(query: str) -> AskedToListen:
    """`pod=ns/name|ip&from=ip` as a question.

    Raises:
        BadQuestion: an unknown parameter, a malformed value, too many of them, or no pod.
    """
    pods, sources = _given(query, "from")
    at = (p.rpartition("|") for p in pods)
    places = tuple(ListenAt(_pod(key), _address(ip, "pod")) for key, _, ip in at)
    return AskedToListen(places, tuple(_address(ip, "from") for ip in sources))


def _given(query: str, name: str) -> tuple[list[str], list[str]]:
    """The values of `pod`, and of the other parameter that may be there."""
    try:
        given = parse_qs(query, strict_parsing=bool(query), max_num_fields=2 * MAX_PEERS)
    except ValueError as error:
        raise BadQuestion(f"malformed query: {error}") from error
    unknown = given.keys() - {"pod", name}
    if unknown:
        raise BadQuestion(f"unknown parameter: {', '.join(sorted(unknown))}")
    pods, more = given.get("pod", []), given.get(name, [])
    if not 0 < len(pods) <= MAX_PODS or len(more) > MAX_PEERS:
        raise BadQuestion(f"ask for 1 to {MAX_PODS} pods and at most {MAX_PEERS} of {name}")
    return pods, more


def _namespace(key: str) -> str:
    return key.partition("/")[0]


def _address(ip: str, what: str) -> str:
    refused = why_not(ip)
    if refused is not None:
        raise BadQuestion(f"{what} {ip!r}: {refused}")
    return ip


def _pod(key: str) -> str:
    if not _POD.match(key):
        raise BadQuestion(f"pod {key!r} is not like llm/vllm-head-0")
    return key


def _target(peer: str) -> PortTarget:
    key, ip, port, service, nonce = (*peer.split("|"), "", "", "", "")[:5]
    whole = peer.count("|") == 3 or (peer.count("|") == 4 and NONCE.match(nonce))
    if not whole or not _PORT.match(port) or not 0 < int(port) < 65536:
        raise BadQuestion(f"peer {peer!r} is not like llm/vllm-head-0|10.0.0.2|6379|gcs")
    return PortTarget(key, _address(ip, "peer"), int(port), service, nonce)


class _Handler(BoundedHandler):
    """`/healthz`, `/v1/evidence` and `/v1/listen`."""

    server: "Door"

    def get(self) -> None:
        """Answer by the path."""
        try:
            url = urlsplit(self.path)
        except ValueError:
            self.answer(HTTPStatus.BAD_REQUEST, b"malformed path\n")
            return
        if url.path == "/healthz":
            self.health(self.server.agent.trouble)
        elif url.path == _PATH:
            self._answer(lambda: self.server.agent.look(asked_of(url.query), self._is_gone))
        elif url.path == _LISTEN:
            self._answer(lambda: self.server.agent.listen(to_listen(url.query), self._is_gone))
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"no such page\n")

    def _answer(self, ask: Callable[[], Struct]) -> None:
        try:
            seen = ask()
        except BadQuestion as error:
            self.answer(HTTPStatus.BAD_REQUEST, f"{error}\n".encode("utf-8", "replace"))
        except Busy as error:
            said = f"{error}\n".encode()
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, said, Retry_After="5")
        else:
            self.answer(HTTPStatus.OK, msgspec.json.encode(seen), "application/json")

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
