"""One HTTP connection of the stand-in API server."""

import sys
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from distcheck.lab.apiserver.answers import JSON, Answer, status, unauthorized
from distcheck.lab.apiserver.ask import Ask, parse_ask
from distcheck.lab.apiserver.fault import NO_FAULT, Fault
from distcheck.lab.apiserver.listener import Backend, Listener
from distcheck.lab.apiserver.podio import container_of
from distcheck.lab.apiserver.router import Watch, discovery_answer, resource_answer
from distcheck.lab.apiserver.streams import chosen_protocol, run_exec, run_forward
from distcheck.lab.apiserver.websocket import WebSocket, accept_key

_AS = "/as/"
_FOLLOW_EVERY_S = 0.1


class Handler(BaseHTTPRequestHandler):
    """Reads requests, asks the router, writes what it says."""

    protocol_version = "HTTP/1.1"
    server_version = "distcheck-lab"
    disable_nagle_algorithm = True
    server: Listener

    def do_GET(self) -> None:
        """Answer a get, a list, a log or a stream."""
        self._serve()

    def do_POST(self) -> None:
        """Answer an access review; everything else is read-only."""
        self._serve()

    def log_message(self, *_args: object) -> None:
        """Stay silent: the lab's terminal belongs to its user."""

    @property
    def _backend(self) -> Backend:
        return self.server.backend

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token, target = self._credential()
        fault = self._backend.fault(urlsplit(target).path)
        time.sleep(fault.latency)
        if not self._backend.admits(token):
            self._write(unauthorized(), fault)
        elif fault.status is not None:
            self._write(status(fault.status, "the lab's fault"), fault)
        else:
            self._answer(target, body, fault)

    def _credential(self) -> tuple[str, str]:
        """(token, target without the path prefix); a header wins over the prefix."""
        target, token = self.path, ""
        if target.startswith(_AS):
            token, slash, rest = target.removeprefix(_AS).partition("/")
            target = slash + rest or "/"
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        return (value if scheme.lower() == "bearer" else token), target

    def _answer(self, target: str, body: bytes, fault: Fault) -> None:
        ask = parse_ask(self.command, target, self.headers.get("Accept", ""), body)
        if ask is None:
            self._write(discovery_answer(urlsplit(target).path, self._backend), fault)
            return
        said = resource_answer(ask, self._backend)
        if isinstance(said, Watch):
            self._watch(said, fault)
        elif not isinstance(said, Answer):
            self._stream(ask, said, fault)
        elif ask.subresource == "log" and ask.flag("follow") and said.code == 200:
            self._follow(ask, said)
        else:
            self._write(said, fault)

    def _write(self, answer: Answer, fault: Fault) -> None:
        self.send_response(answer.code)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if fault.retry_after is not None:
            self.send_header("Retry-After", str(fault.retry_after))
        self.end_headers()
        self.wfile.write(answer.body[: fault.cut])
        if fault.cut is not None:
            self.close_connection = True

    def _watch(self, watch: Watch, fault: Fault) -> None:
        """Send events as chunks as they come; a fault may cut one in the middle."""
        left = sys.maxsize if fault.cut is None else fault.cut
        self.send_response(200)
        self.send_header("Content-Type", JSON)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for line in watch.lines:
            part = line[:left]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
            self.wfile.flush()
            left -= len(part)
            if not left:
                self.close_connection = True
                return
        self.wfile.write(b"0\r\n\r\n")

    def _follow(self, ask: Ask, first: Answer) -> None:
        """Send the log, then what is appended, until the caller leaves or the pod is gone."""
        self.send_response(200)
        self.send_header("Content-Type", first.content_type)
        self.send_header("Connection", "close")
        self.end_headers()
        sent, body = 0, self._log_now(ask)
        while body is not None:
            self.wfile.write(body[sent:])
            sent = max(sent, len(body))
            time.sleep(_FOLLOW_EVERY_S)
            body = self._log_now(ask)
        self.close_connection = True

    def _log_now(self, ask: Ask) -> bytes | None:
        said = resource_answer(ask, self._backend)
        return said.body if isinstance(said, Answer) and said.code == 200 else None

    def _stream(self, ask: Ask, pod: dict[str, Any], fault: Fault) -> None:
        protocol = chosen_protocol(self.headers.get("Sec-WebSocket-Protocol", ""))
        key = self.headers.get("Sec-WebSocket-Key")
        if self.headers.get("Upgrade", "").lower() != "websocket" or not key or not protocol:
            self._write(status(400, "unable to upgrade: only websockets are spoken here"), NO_FAULT)
            return
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(key))
        self.send_header("Sec-WebSocket-Protocol", protocol)
        self.end_headers()
        self.close_connection = True
        self._run(ask, pod)(WebSocket(self.rfile, self.wfile, fault.cut))

    def _run(self, ask: Ask, pod: dict[str, Any]) -> Callable[[WebSocket], None]:
        where, backend = (ask.namespace, ask.name), self._backend
        if ask.subresource == "exec":
            container, argv = str(container_of(pod, ask)), ask.query.get("command", [])
            return lambda ws: run_exec(ws, lambda: backend.execute(*where, container, argv))
        ports = [int(p) for value in ask.query.get("ports", []) for p in value.split(",")]
        return lambda ws: run_forward(ws, ask.name, ports, lambda p: backend.forward(*where, p))
