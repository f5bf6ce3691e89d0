"""An HTTP server that a crowd of clients, or a slow one, cannot make large."""

import io
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

MAX_CONNECTIONS, MAX_OF_ONE = 32, 16
"""At once, and of one address: the kubelet, whose probes come from another, finds room."""
_HEAD_SECONDS = 10.0
_MAX_HEAD = 96 * 1024
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n"


class _Head(io.RawIOBase):
    """What a client sends: `left` bytes, within ten seconds, however slowly they come."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self.left = connection, _MAX_HEAD
        self._end = time.monotonic() + _HEAD_SECONDS

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Receive some; nothing more once all that is allowed was sent.

        Raises:
            TimeoutError: it did not come in time.
        """
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the request did not come in time")
        self._connection.settimeout(seconds)
        size = self._connection.recv_into(buffer, min(len(buffer), self.left)) if self.left else 0
        self.left -= size
        return size


class BoundedHandler(BaseHTTPRequestHandler):
    """GET only, one answer a connection; every answer has its length."""

    timeout = _HEAD_SECONDS

    def setup(self) -> None:
        """Begin to count what the client sends."""
        super().setup()
        self.rfile.close()
        self._head = _Head(self.connection)
        self.rfile = io.BufferedReader(self._head)

    def parse_request(self) -> bool:
        """Read the head, and refuse one that is too large."""
        taken = super().parse_request()
        self.connection.settimeout(self.timeout)
        if taken and not self._head.left:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return False
        return taken

    def do_GET(self) -> None:
        """Answer by the path."""
        self.get()

    def get(self) -> None:
        """To be given by each server."""
        raise NotImplementedError

    def answer(
        self, status: HTTPStatus, body: bytes, kind: str = "text/plain", **headers: str
    ) -> None:
        """Send the whole answer; `Retry_After="5"` is a header."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def health(self, trouble: str, kind: str = "text/plain") -> None:
        """Answer a probe of the kubelet: 503 with what is wrong, where something is."""
        status = HTTPStatus.SERVICE_UNAVAILABLE if trouble else HTTPStatus.OK
        self.answer(status, f"{trouble or 'ok'}\n".encode(), kind)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Requests are not logged: they say nothing that the answers do not."""


class BoundedServer(ThreadingHTTPServer):
    """At most 32 connections at once, 16 of one address; those beyond are told to come back.

    A connection that has not sent its request within ten seconds is closed, so that idle ones
    make room again. Threads end with the process.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BoundedHandler]) -> None:
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind, without asking DNS for a name of ours, which may take its time."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread where there is room."""
        if not self._enter(client_address[0]):
            self._refuse(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be started
            self._leave(client_address[0])
            self._refuse(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room again."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._leave(client_address[0])

    def _enter(self, address: str) -> bool:
        with self._lock:
            room = self._open[address] < MAX_OF_ONE and self._open.total() < MAX_CONNECTIONS
            self._open[address] += room
            return room

    def _leave(self, address: str) -> None:
        with self._lock:
            self._open[address] -= 1
            self._open = +self._open

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of ours."""

    def _refuse(self, request: Any) -> None:
        try:
            request.settimeout(0.0)
            request.send(_BUSY)
        except OSError:
            pass
        self.shutdown_request(request)


def serve(server: BoundedServer) -> Callable[[], None]:
    """Serve in a thread; the function returned ends it."""
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end
