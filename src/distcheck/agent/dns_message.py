"""Questions for addresses, and their answers, as RFC 1035 writes them. Pure and bounded.

An answer comes from whoever the container names as its server, so it may be anything: a name
is followed backwards only, and names and records are counted.
"""

import ipaddress
import struct
from collections.abc import Iterator

from msgspec import Struct

A, AAAA = 1, 28
NO_ERROR, NAME_ERROR = 0, 3
MAX_ANSWER = 16 * 1024
"""Bytes; over TCP a server may send 64 KiB, of which addresses of a group never need so much."""
_CNAME, _INTERNET = 5, 1
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_RECURSION, _ANSWERS, _TRUNCATED = 0x0100, 0x8000, 0x0200
_MAX_RECORDS, _MAX_NAME, _MAX_LABEL, _MAX_ALIASES = 256, 255, 63, 16
_CODES = {1: "FORMERR", 2: "SERVFAIL", 4: "NOTIMP", 5: "REFUSED"}


class DnsError(ValueError):
    """A name that cannot be asked for, or bytes that are no answer to this question."""


class Answer(Struct, frozen=True):
    """What a server says: its code, the addresses of the name or of what it stands for."""

    code: int
    addresses: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def says(self) -> str:
        """The code in words."""
        return _CODES.get(self.code, f"code {self.code}")


def question(number: int, name: str, kind: int) -> bytes:
    """A query for the records of type `kind` (A or AAAA) of `name`, which ends with no dot.

    Raises:
        DnsError: the name, or a part of it, is empty or too long, or no ASCII.
    """
    head = _HEADER.pack(number, _RECURSION, 1, 0, 0, 0)
    return head + _encoded(name) + struct.pack("!HH", kind, _INTERNET)


def _encoded(name: str) -> bytes:
    try:
        labels = [label.encode("ascii") for label in name.split(".")]
    except UnicodeEncodeError as error:
        raise DnsError(f"{name!r} is no host name") from error
    if not all(0 < len(label) <= _MAX_LABEL for label in labels) or len(name) > _MAX_NAME - 2:
        raise DnsError(f"{name[:80]!r} has a part that is empty or too long")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read_answer(message: bytes, number: int, name: str, kind: int) -> Answer:
    """The answer to that question.

    Addresses count only where the name, or what an alias says it stands for, has them.

    Raises:
        DnsError: it is cut short, malformed, or an answer to something else.
    """
    try:
        return _answer(message, number, name, kind)
    except (struct.error, IndexError) as error:
        raise DnsError("an answer that is cut short") from error


def _answer(message: bytes, number: int, name: str, kind: int) -> Answer:
    given, flags, asked, answers, _, _ = _HEADER.unpack_from(message)
    if given != number or not flags & _ANSWERS or asked != 1:
        raise DnsError("an answer to another question")
    owner, at = _name(message, _HEADER.size)
    if owner != name.lower() or struct.unpack_from("!HH", message, at) != (kind, _INTERNET):
        raise DnsError("an answer to another question")
    code = flags & 0xF
    if flags & _TRUNCATED or code:
        return Answer(code, truncated=bool(flags & _TRUNCATED))
    records = list(_records(message, at + 4, min(answers, _MAX_RECORDS)))
    wanted = _aliases(owner, {o: _name(message, at)[0] for o, k, at, _ in records if k == _CNAME})
    size = 4 if kind == A else 16
    found = [
        message[at : at + size]
        for owner, k, at, length in records
        if k == kind and owner in wanted and length == size
    ]
    return Answer(code, tuple(dict.fromkeys(str(ipaddress.ip_address(one)) for one in found)))


def _records(message: bytes, at: int, count: int) -> Iterator[tuple[str, int, int, int]]:
    """(owner, type, where its data begins, how long they are) of each record."""
    for _ in range(count):
        owner, at = _name(message, at)
        kind, _, _, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        if at + length > len(message):
            raise DnsError("an answer that is cut short")
        yield owner, kind, at, length
        at += length


def _aliases(name: str, targets: dict[str, str]) -> set[str]:
    names = {name}
    for _ in range(_MAX_ALIASES):
        name = targets.get(name, name)
        names.add(name)
    return names


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name at `at`, in small letters, and where what follows it begins.

    A pointer has to lead to before where it was met, so every chain of them ends.
    """
    labels: list[str] = []
    after, lowest, size = None, at, 0
    while length := message[at]:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | message[at + 1]
            after = at + 2 if after is None else after
            if target >= lowest:
                raise DnsError("a name that leads to itself")
            at = lowest = target
            continue
        size += length + 1
        if length > _MAX_LABEL or size > _MAX_NAME or at + length >= len(message):
            raise DnsError("a name that is too long")
        labels.append(message[at + 1 : at + 1 + length].decode("latin-1").lower())
        at += length + 1
    return ".".join(labels), at + 1 if after is None else after
