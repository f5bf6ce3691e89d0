"""Server side of RFC 6455: the handshake and whole binary messages. Nothing else is needed."""

import base64
import contextlib
import hashlib
import struct
import threading
from io import BufferedIOBase

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_NORMAL = 1000
_MAX_MESSAGE = 16 * 1024 * 1024


def accept_key(key: str) -> str:
    """The Sec-WebSocket-Accept of a Sec-WebSocket-Key (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class WebSocket:
    """One accepted connection. Several threads may send; one receives.

    After `cut` bytes of payload the connection breaks, without a close frame.
    """

    def __init__(
        self, reader: BufferedIOBase, writer: BufferedIOBase, cut: int | None = None
    ) -> None:
        self._reader, self._writer, self._left = reader, writer, cut
        self._lock = threading.Lock()

    def send(self, payload: bytes) -> None:
        """Send one binary message.

        Raises:
            OSError: the peer is gone, or the connection was to be cut here.
        """
        if self._left is None:
            self._frame(_BINARY, payload)
            return
        part = payload[: self._left]
        self._left -= len(part)
        self._frame(_BINARY, part)
        if len(part) < len(payload):
            raise ConnectionAbortedError("cut as ordered")

    def say_close(self) -> None:
        """Send a close frame; a peer that is gone needs none."""
        with contextlib.suppress(OSError, ValueError):
            self._frame(_CLOSE, struct.pack(">H", _NORMAL))

    def close(self) -> None:
        """Send a close frame and wait for the peer's."""
        self.say_close()
        while self.receive() is not None:
            pass

    def receive(self) -> bytes | None:
        """The next whole message, or None once the peer has closed or is gone."""
        message = b""
        while (frame := self._read_frame()) is not None:
            final, opcode, payload = frame
            if opcode == _CLOSE:
                return None
            if opcode == _PING:
                self._frame(_PONG, payload)
            if opcode in (_CONTINUATION, _TEXT, _BINARY):
                message += payload
                if final:
                    return message
        return None

    def _frame(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", 0x80 | opcode, 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 127, size)
        with self._lock:
            self._writer.write(head + payload)
            self._writer.flush()

    def _read_frame(self) -> tuple[bool, int, bytes] | None:
        head = self._exactly(2)
        if head is None:
            return None
        size = self._size(head[1] & 0x7F)
        if size is None or size > _MAX_MESSAGE:
            return None
        mask = self._exactly(4) if head[1] & 0x80 else b"\0\0\0\0"
        payload = self._exactly(size)
        if mask is None or payload is None:
            return None
        return bool(head[0] & 0x80), head[0] & 0x0F, _unmask(payload, mask)

    def _size(self, short: int) -> int | None:
        wide = {126: (">H", 2), 127: (">Q", 8)}.get(short)
        if wide is None:
            return short
        raw = self._exactly(wide[1])
        return None if raw is None else int(struct.unpack(wide[0], raw)[0])

    def _exactly(self, size: int) -> bytes | None:
        try:
            data = self._reader.read(size)
        except (OSError, ValueError):
            return None
        return data if len(data) == size else None


def _unmask(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
