"""The listening socket, and what a request may know of the server behind it."""

import contextlib
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from distcheck.lab.apiserver.access import Denial
from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.fault import Fault
from distcheck.lab.apiserver.history import History
from distcheck.lab.apiserver.podio import LogReader
from distcheck.lab.apiserver.streams import Executor, Forwarder


class Backend(Protocol):
    """The state and the callables that requests are answered from."""

    logs: LogReader
    execute: Executor
    forward: Forwarder
    denied: tuple[Denial, ...]
    history: History

    @property
    def state(self) -> tuple[int, tuple[dict[str, Any], ...]]:
        """(resource version, objects), read together."""

    def fault(self, path: str) -> Fault:
        """What a request for `path` meets."""

    def note_ask(self, verbs: tuple[str, ...], ask: Ask) -> None:
        """Remember a request that was let in."""

    def admits(self, token: str) -> bool:
        """Whether a caller with this credential is let in."""


class Listener(ThreadingHTTPServer):
    """One thread a connection; all connections break when it stops."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], backend: Backend
    ) -> None:
        self.backend = backend
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, then serve it."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up in the middle is no error of ours; all else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Stop accepting, then break what is open."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)
