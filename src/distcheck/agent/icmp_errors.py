"""The error queue of a TCP socket: which ICMP message ended a connection, and who sent it.

Linux keeps them for a socket that asks for them (ip(7), IP_RECVERR; ipv6(7), IPV6_RECVERR).
"""

import ipaddress
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress

from msgspec import Struct

_MSG_ERRQUEUE = 0x2000
_ERROR = struct.Struct("=IBBBBII")


class _Protocol(Struct, frozen=True):
    """`origin`, and where the sender's address is, as in linux/errqueue.h and its sockaddr."""

    level: int
    option: int
    origin: int
    sender: slice
    reasons: dict[int, str]


_V4 = _Protocol(
    level=socket.IPPROTO_IP,
    option=11,
    origin=2,
    sender=slice(_ERROR.size + 4, _ERROR.size + 8),
    reasons={0: "net unreachable", 1: "host unreachable", 3: "port unreachable", 13: "prohibited"},
)
_V6 = _Protocol(
    level=socket.IPPROTO_IPV6,
    option=25,
    origin=3,
    sender=slice(_ERROR.size + 8, _ERROR.size + 24),
    reasons={0: "no route", 1: "prohibited", 3: "host unreachable", 4: "port unreachable"},
)


def watch(client: socket.socket) -> None:
    """Ask the kernel to keep ICMP errors of this socket; before it connects."""
    kind = _protocol(client)
    client.setsockopt(kind.level, kind.option, 1)


def icmp_error(client: socket.socket) -> str:
    """`ICMP prohibited from 10.0.0.1`; empty where the queue is."""
    kind = _protocol(client)
    client.setblocking(False)
    with suppress(OSError):
        _, messages, _, _ = client.recvmsg(1, 512, _MSG_ERRQUEUE)
        return _told(kind, (m[2] for m in messages if m[:2] == (kind.level, kind.option)))
    return ""


def _protocol(client: socket.socket) -> _Protocol:
    return _V6 if client.family == socket.AF_INET6 else _V4


def _told(kind: _Protocol, messages: Iterable[bytes]) -> str:
    for data in messages:
        _, origin, _, code, *_ = _ERROR.unpack_from(data)
        sender = data[kind.sender]
        if origin == kind.origin and len(sender) in (4, 16):
            reason = kind.reasons.get(code, f"code {code}")
            return f"ICMP {reason} from {ipaddress.ip_address(sender)}"
    return ""
