"""gRPC's `Health/Check` over a socket that somebody else has made.

grpc makes its sockets in threads of its own, so it cannot ask from inside a pod's network
namespace. One empty unary call needs little of HTTP/2: RFC 9113 for frames, RFC 7541 for the
header block (nothing indexed but the static table, no Huffman codes), and gRPC's
PROTOCOL-HTTP2 for the message. The answer's headers are not read: a message says it all.
"""

import socket
import struct
import time
from collections.abc import Iterator
from typing import Literal

_SERVING = b"\x08\x01"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GOAWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _ACK, _PADDED = 1, 4, 1, 8
_HEAD = 9
_MAX_FRAME = 1 << 14
"""SETTINGS_MAX_FRAME_SIZE as long as we ask for no other."""
_MAX_FRAMES = 64
_TLS_RECORD = b"\x15\x03"
_ALERT = -1

Health = Literal["serving", "no_answer", "error"]


def health(connection: socket.socket, deadline: float) -> tuple[Health, str]:
    """How the server at the other end of `connection` is, and in words why not well.

    Ends at `deadline` (on `time.monotonic`). Raises nothing.
    """
    try:
        connection.settimeout(max(deadline - time.monotonic(), 0.01))
        connection.sendall(_question())
        return _answer(connection, deadline)
    except TimeoutError:
        return "no_answer", "takes connections but does not answer gRPC in time"
    except OSError as error:
        return "error", f"hung up: {error.strerror or error}"


def _question() -> bytes:
    block = b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http
            b"\x04" + _text(b"/grpc.health.v1.Health/Check"),
            b"\x01" + _text(b"localhost"),
            b"\x0f\x10" + _text(b"application/grpc"),
            b"\x00" + _text(b"te") + _text(b"trailers"),
        )
    )
    return b"".join(
        (
            _PREFACE,
            _frame(_SETTINGS, 0, 0, b""),
            _frame(_HEADERS, _END_HEADERS, 1, block),
            _frame(_DATA, _END_STREAM, 1, bytes(5)),
        )
    )


def _text(value: bytes) -> bytes:
    return bytes([len(value)]) + value


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _answer(connection: socket.socket, deadline: float) -> tuple[Health, str]:
    message = b""
    for kind, flags, payload in _frames(connection, deadline):
        if kind == _DATA:
            message += _unpadded(payload) if flags & _PADDED else payload
            if len(message) >= 5 and len(message) >= 5 + int.from_bytes(message[1:5]):
                return _read(message[5 : 5 + int.from_bytes(message[1:5])])
        elif kind == _SETTINGS and not flags & _ACK:
            connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _ALERT:
            return "error", "speaks TLS, as with RAY_USE_TLS=1: not asked"
        elif kind in (_RESET, _GOAWAY) or (kind == _HEADERS and flags & _END_STREAM):
            return "error", "answers gRPC, but not whether it is well"
    return "error", "is not gRPC, or closed the connection"


def _unpadded(payload: bytes) -> bytes:
    """The first byte says how many at the end are there to fill."""
    return payload[1 : len(payload) - payload[0]] if payload else b""


def _read(message: bytes) -> tuple[Health, str]:
    return ("serving", "") if message == _SERVING else ("error", "says that it does not serve")


def _frames(connection: socket.socket, deadline: float) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and payload of each frame; ends where there is none, or too much."""
    for _ in range(_MAX_FRAMES):
        head = _exactly(connection, _HEAD, deadline)
        size = int.from_bytes(head[:3])
        if head[:2] == _TLS_RECORD:
            yield _ALERT, 0, head
        if len(head) < _HEAD or size > _MAX_FRAME:
            return
        payload = _exactly(connection, size, deadline)
        if len(payload) < size:
            return
        yield head[3], head[4], payload


def _exactly(connection: socket.socket, size: int, deadline: float) -> bytes:
    """`size` bytes; fewer where the other end hangs up.

    Raises:
        TimeoutError: they did not come by `deadline`.
    """
    data = b""
    while len(data) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data
