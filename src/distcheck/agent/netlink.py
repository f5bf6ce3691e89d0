"""Dumps asked of the kernel over netlink (netlink(7)); what comes back is parsed without trust."""

import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from distcheck.agent.netns import entered

SOCK_DIAG, RDMA = 4, 20
"""Families (linux/netlink.h)."""
Ask = Callable[[Path, int, bytes], Iterable[bytes]]
"""(network namespace, family, request) -> datagrams of the answer."""
ORDER = sys.byteorder
_HEADER, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=HH")
_ERROR, _DONE = 2, 3
_REQUEST_DUMP = 0x301
_TYPE = 0x3FFF
_AT_ONCE, _MOST = 64 * 1024, 32 * 1024 * 1024
_PATIENCE = 2.0


class Message(Struct, frozen=True):
    """One message of an answer, without its header."""

    kind: int
    body: bytes


def ask(namespace: Path, family: int, request: bytes) -> Iterator[bytes]:
    """What the kernel answers to a dump from inside a network namespace; 32 MiB at most.

    Raises:
        OSError: it has no such family, the namespace may not be entered, or no answer in 2 s.
    """
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with entered(namespace):
        asked = socket.socket(socket.AF_NETLINK, kind, family)
    with asked:
        asked.settimeout(_PATIENCE)
        asked.send(request)
        taken = 0
        while taken < _MOST:
            datagram = asked.recv(_AT_ONCE)
            taken += len(datagram)
            yield datagram
    raise OSError(f"the kernel's answer is longer than {_MOST >> 20} MiB")


def dump_request(kind: int, body: bytes) -> bytes:
    """A request for everything of one kind."""
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST_DUMP, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to words of four bytes."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def messages(datagrams: Iterable[bytes]) -> Iterator[Message]:
    """The messages of an answer, up to the one that ends it.

    Raises:
        OSError: the kernel ended it with an error, or it stopped in the middle.
    """
    for datagram in datagrams:
        for one in _split(datagram):
            if one.kind in (_ERROR, _DONE):
                _raise_for(one)
                return
            yield one
    raise OSError("the kernel's answer has no end")


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, value) of each attribute; what does not fit its own length ends them."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size or at + length > len(data):
            return
        yield kind & _TYPE, data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4


def _split(datagram: bytes) -> Iterator[Message]:
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > len(datagram):
            return
        yield Message(kind, datagram[at + _HEADER.size : at + length])
        at += length + -length % 4


def _raise_for(end: Message) -> None:
    code = -int.from_bytes(end.body[:4], ORDER, signed=True)
    if code > 0:
        raise OSError(code, os.strerror(code))
