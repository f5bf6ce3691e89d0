"""The agent's evidence door: HTTP on the loopback of its own pod."""

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from distcheck.agent.node import Asked, NodeAgent
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


class _Handler(BaseHTTPRequestHandler):
    """GET only; every answer has its length, so that a caller need not wait for the end."""

    server: "Door"
    timeout = 10

    def do_GET(self) -> None:
        """`/healthz` and `/v1/evidence`."""
        url = urlsplit(self.path)
        if url.path == "/healthz":
            self._answer(HTTPStatus.OK, b"ok\n", "text/plain")
        elif url.path == _PATH:
            self._evidence(url.query)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"no such page\n", "text/plain")

    def _evidence(self, query: str) -> None:
        try:
            asked = asked_of(query)
        except BadQuestion as error:
            self._answer(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), "text/plain")
            return
        body = msgspec.json.encode(self.server.agent.look(asked))
        self._answer(HTTPStatus.OK, body, "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Requests are not logged: they say nothing that the evidence does not."""


class Door(ThreadingHTTPServer):
    """Serves one agent; threads end with the process."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], agent: NodeAgent) -> None:
        self.agent = agent
        super().__init__(address, _Handler)
