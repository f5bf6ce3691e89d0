"""The lab's name server: the records of its Services, on loopback addresses of its own."""

import ipaddress
import socket
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress

_HEADER = struct.Struct("!6H")
_A, _AAAA = 1, 28
_NAME_ERROR = 3
_MAX = 512


class NameServer:
    """Answers for `records`, addresses by full name, over UDP and TCP; others do not exist.

    A silent one takes every question and answers none, as where a policy drops them.
    """

    def __init__(
        self, ip: str, records: Mapping[str, str], port: int = 0, *, silent: bool = False
    ) -> None:
        self._records = {k.lower(): v for k, v in records.items()}
        self._tcp = socket.create_server((ip, port))
        self.port: int = self._tcp.getsockname()[1]
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((ip, self.port))
        self._silent = silent
        for serve in (self._serve_udp, self._serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def _serve_udp(self) -> None:
        with suppress(OSError):
            while True:
                asked, client = self._udp.recvfrom(_MAX)
                if not asked:  # closed, or nothing to answer
                    return
                answer = self._answer(asked)
                if not self._silent:
                    self._udp.sendto(answer, client)

    def _serve_tcp(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._tcp.accept()
                with client, suppress(OSError):
                    client.settimeout(1)
                    answer = self._answer(client.recv(_MAX)[2:])
                    client.sendall(struct.pack("!H", len(answer)) + answer)

    def _answer(self, asked: bytes) -> bytes:
        number = asked[:2].ljust(2, b"\0")
        name, at = _name(asked)
        kind = int.from_bytes(asked[at : at + 2], "big")
        found = self._records.get(name)
        data = _data(found, kind) if found else b""
        code = 0 if found else _NAME_ERROR
        head = _HEADER.pack(0, 0x8580 | code, 1, bool(data), 0, 0)[2:]
        record = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 5, len(data)) + data if data else b""
        return number + head + asked[12 : at + 4] + record

    def close(self) -> None:
        """Stop answering."""
        for one in (self._udp, self._tcp):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def _name(asked: bytes) -> tuple[str, int]:
    """The name in a question, and where its type begins."""
    labels, at = [], _HEADER.size
    while at < len(asked) and asked[at]:
        labels.append(asked[at + 1 : at + 1 + asked[at]].decode("latin-1").lower())
        at += asked[at] + 1
    return ".".join(labels), at + 1


def _data(address: str, kind: int) -> bytes:
    ip = ipaddress.ip_address(address)
    return ip.packed if kind == (_A if ip.version == 4 else _AAAA) else b""
