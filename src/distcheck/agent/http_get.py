"""One GET to a server of a pod, from inside the pod's own network namespace.

No key is sent and no redirect followed. Only an address of that namespace is asked: a command
line that names another host's is not obeyed.
"""

import http.client
import io
import socket
import time
from pathlib import Path
from typing import cast

from msgspec import Struct

from distcheck.agent.netns import entered

TIMEOUT = 2.0
"""Seconds for one answer, all of it."""
_MAX_ANSWER = 4 << 20


class NoAnswerError(Exception):
    """A server did not answer; the message says why."""


class Server(Struct, frozen=True):
    """A server to ask: its process, and where it listens in the namespace of that process."""

    pid: int
    namespace: Path
    address: str
    port: int


def answer(server: Server, path: str) -> bytes:
    """The body that the server gives for `path`, at most 4 MiB, within two seconds.

    Raises:
        NoAnswerError: it gave none; the message says why.
        OSError: the namespace cannot be entered.
    """
    with entered(server.namespace):
        client = socket.socket(socket.AF_INET6 if ":" in server.address else socket.AF_INET)
    with client:
        try:
            raw = _exchanged(client, server, path)
        except TimeoutError as error:
            raise NoAnswerError(f"no answer in {TIMEOUT:g} s") from error
        except OSError as error:
            raise NoAnswerError(f"{error.strerror or error}") from error
    return body_of(raw)


def _exchanged(client: socket.socket, server: Server, path: str) -> bytes:
    """Bound to the address that it connects to, so that this cannot be another host's."""
    end = time.monotonic() + TIMEOUT
    client.settimeout(TIMEOUT)
    client.bind((server.address, 0))
    client.connect((server.address, server.port))
    where = f"[{server.address}]" if ":" in server.address else server.address
    head = f"GET {path} HTTP/1.1\r\nHost: {where}:{server.port}\r\nConnection: close\r\n\r\n"
    client.sendall(head.encode("ascii"))
    raw = bytearray()
    while len(raw) <= _MAX_ANSWER:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        client.settimeout(left)
        part = client.recv(1 << 16)
        if not part:
            return bytes(raw)
        raw += part
    raise NoAnswerError(f"the answer is larger than {_MAX_ANSWER} bytes")


class _Said:
    """An answer that has come in whole, in the form that `http.client` reads."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _mode: str) -> io.BytesIO:
        """The answer as a file."""
        return io.BytesIO(self._raw)


def body_of(raw: bytes) -> bytes:
    """The body of the HTTP answer `raw`.

    Raises:
        NoAnswerError: it is no HTTP, is cut short, or has another status than 200.
    """
    said = http.client.HTTPResponse(cast(socket.socket, _Said(raw)), method="GET")
    try:
        said.begin()
        body = said.read()
    except (http.client.HTTPException, ValueError, OverflowError, OSError) as error:
        raise NoAnswerError("the answer is not whole HTTP") from error
    if said.status != http.client.OK:
        raise NoAnswerError(f"status {said.status}")
    return body
