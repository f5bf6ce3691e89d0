"""Answers of the kernel's netlink, byte by byte as its own headers lay them out.

linux/netlink.h, linux/inet_diag.h, linux/tcp.h, rdma/rdma_netlink.h; in the order in which
net/ipv4/inet_diag.c and drivers/infiniband/core/nldev.c write them.
"""

import ctypes
import ipaddress
import struct
import sys
from collections.abc import Sequence

from distcheck.checks.evidence.flows import TcpFlow
from distcheck.checks.evidence.rdma import QueuePair

_MULTI, _DONE, _ERROR = 2, 3, 2
_A_MESSAGE = 256
TYPES = {"RC": 2, "UC": 3, "UD": 4, "DRIVER": 255}
STATES = {"RESET": 0, "INIT": 1, "RTR": 2, "RTS": 3, "SQD": 4, "SQE": 5, "ERR": 6}


class _Header(ctypes.Structure):
    _fields_ = (
        ("len", ctypes.c_uint32),
        ("type", ctypes.c_uint16),
        ("flags", ctypes.c_uint16),
        ("seq", ctypes.c_uint32),
        ("pid", ctypes.c_uint32),
    )


class _Diag(ctypes.Structure):
    """`struct inet_diag_msg`."""

    _fields_ = (
        ("family", ctypes.c_uint8),
        ("state", ctypes.c_uint8),
        ("timer", ctypes.c_uint8),
        ("retrans", ctypes.c_uint8),
        ("sport", ctypes.c_uint8 * 2),
        ("dport", ctypes.c_uint8 * 2),
        ("src", ctypes.c_uint8 * 16),
        ("dst", ctypes.c_uint8 * 16),
        ("interface", ctypes.c_uint32),
        ("cookie", ctypes.c_uint32 * 2),
        ("expires", ctypes.c_uint32),
        ("rqueue", ctypes.c_uint32),
        ("wqueue", ctypes.c_uint32),
        ("uid", ctypes.c_uint32),
        ("inode", ctypes.c_uint32),
    )


class _Info(ctypes.Structure):
    """`struct tcp_info` up to the counts of bytes, as Linux 4.1 has it."""

    _fields_ = (
        ("first", ctypes.c_uint8 * 8),
        ("numbers", ctypes.c_uint32 * 24),
        ("pacing_rate", ctypes.c_uint64),
        ("max_pacing_rate", ctypes.c_uint64),
        ("bytes_acked", ctypes.c_uint64),
        ("bytes_received", ctypes.c_uint64),
        ("later", ctypes.c_uint8 * 96),
    )


def answer(kind: int, bodies: Sequence[bytes], at_once: int = 32) -> list[bytes]:
    """The datagrams of a dump: some messages in each, and the one that ends it."""
    whole = [message(kind, body) for body in bodies]
    parts = [b"".join(whole[n : n + at_once]) for n in range(0, len(whole), at_once)]
    return [*parts, message(_DONE, bytes(4))]


def refusal(code: int) -> list[bytes]:
    """`NLMSG_ERROR` with that number of errno.h."""
    return [message(_ERROR, struct.pack("=i", -code) + bytes(16))]


def message(kind: int, body: bytes) -> bytes:
    """One message, padded."""
    head = _Header(ctypes.sizeof(_Header) + len(body), kind, _MULTI, 1, 4242)
    return bytes(head) + body + bytes(-len(body) % 4)


def connection(flow: TcpFlow, inode: int, info_bytes: int = 0) -> bytes:
    """One established connection; `info_bytes` cuts its `tcp_info`, as older kernels do."""
    local, remote = (ipaddress.ip_address(a) for a in (flow.local, flow.remote))
    row = _Diag(family=10 if local.version == 6 else 2, state=1, inode=inode)
    for name, number in (("sport", flow.local_port), ("dport", flow.remote_port)):
        setattr(row, name, (ctypes.c_uint8 * 2)(*number.to_bytes(2, "big")))
    for name, address in (("src", local), ("dst", remote)):
        setattr(row, name, (ctypes.c_uint8 * 16)(*address.packed))
    info = bytes(_Info(bytes_acked=flow.sent_bytes, bytes_received=flow.received_bytes))
    shutdown, told = _attribute(8, b"\0"), _attribute(2, info[: info_bytes or None])
    return bytes(row) + shutdown + told


def device(index: int, name: str) -> bytes:
    """One HCA: its handle, and what comes after it."""
    firmware = _attribute(5, b"28.39.1002\0")
    return _handle(index, name) + _attribute(3, _u32(1)) + firmware


def tables(index: int, name: str, pairs: Sequence[QueuePair]) -> list[bytes]:
    """The queue pairs of one HCA, in messages of some each; none where it has none."""
    parts = (pairs[n : n + _A_MESSAGE] for n in range(0, len(pairs), _A_MESSAGE))
    return [
        _handle(index, name) + _attribute(19, b"".join(_entry(pair) for pair in part))
        for part in parts
    ]


def _handle(index: int, name: str) -> bytes:
    return _attribute(1, _u32(index)) + _attribute(2, name.encode() + b"\0")


def _entry(pair: QueuePair) -> bytes:
    kind = TYPES.get(pair.type, 255)
    connected = kind in (2, 3)
    parts = (
        _attribute(3, _u32(pair.port)),
        _attribute(21, _u32(pair.local_qpn)),
        _attribute(60, _u32(7)),
        _attribute(28, _u32(pair.pid)) if pair.pid else _attribute(29, b"ib_core\0"),
        _attribute(22, _u32(pair.remote_qpn or 0)) if connected else b"",
        _attribute(23, _u32(0)) if connected else b"",
        _attribute(24, _u32(11)),
        _attribute(25, b"\0") if connected else b"",
        _attribute(26, bytes([kind])),
        _attribute(98, pair.type.encode() + b"\0") if pair.type not in TYPES else b"",
        _attribute(27, bytes([STATES[pair.state]])),
    )
    return _attribute(20, b"".join(parts))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _u32(number: int) -> bytes:
    return number.to_bytes(4, sys.byteorder)
