"""Channels over one websocket, with a deadline on every read."""

import contextlib
import socket
import time
from typing import Any

from distcheck.agent.cluster.errors import Unreachable


class Stream:
    """A connected websocket whose messages begin with a channel byte."""

    def __init__(self, websocket: Any) -> None:
        self._socket = websocket

    def send(self, channel: int, data: bytes) -> None:
        """Send `data` on a channel.

        Raises:
            Unreachable: the connection broke.
        """
        with _named_errors():
            self._socket.send_binary(bytes([channel]) + data)

    def receive(self, deadline: float) -> tuple[int, bytes] | None:
        """The next (channel, data), or None once the other side has closed.

        `deadline` is on `time.monotonic`.

        Raises:
            Unreachable: the deadline passed, or the connection broke.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            raise Unreachable("no whole answer before the deadline")
        self._socket.settimeout(left)
        with _named_errors():
            message = self._socket.recv()
        data = message.encode() if isinstance(message, str) else bytes(message)
        return (data[0], data[1:]) if data else None

    def close(self) -> None:
        """Hang up without waiting for the other side; a thread that reads is woken."""
        with contextlib.suppress(OSError):
            if self._socket.sock is not None:
                self._socket.sock.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._socket.shutdown()


@contextlib.contextmanager
def _named_errors() -> Any:
    from websocket import (  # noqa: PLC0415 - comes with the kubernetes client
        WebSocketException,
        WebSocketTimeoutException,
    )

    try:
        yield
    except (WebSocketTimeoutException, TimeoutError) as error:
        raise Unreachable("no whole answer before the deadline") from error
    except (WebSocketException, OSError, AttributeError) as error:  # the last: closed meanwhile
        raise Unreachable(f"the stream broke: {error}") from error
