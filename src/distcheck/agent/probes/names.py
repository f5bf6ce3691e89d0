"""Names looked up from inside a pod's own network namespace, as its own resolver would.

The container's `resolv.conf` and `hosts` say how; a few small questions are sent to the servers
that they name, from where the pod itself would send them. The client is our own: two types of
records over UDP and TCP, with an answer that is bounded, are less than a library's interface.
"""

import secrets
import socket
import struct
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from distcheck.agent.dns_message import (
    AAAA,
    MAX_ANSWER,
    NAME_ERROR,
    NO_ERROR,
    A,
    Answer,
    DnsError,
    question,
    read_answer,
)
from distcheck.agent.netns import entered
from distcheck.agent.resolv_conf import Resolver, read_hosts
from distcheck.checks.evidence.rendezvous import LookupOutcome, NameLookup

MAX_NAMES = 4
TIMEOUT = 2.0
_MAX_SECONDS = 7.0
_MAX_STRAYS = 16
_LENGTH = struct.Struct("!H")


class Wanted(Struct, frozen=True):
    """A name of the pod's own command line or environment, and what names it."""

    name: str
    used_for: str


class Asking(Struct, frozen=True):
    """How a pod's names are asked for: its resolver, its fixed names, the servers' port."""

    resolver: Resolver
    hosts: str = ""
    port: int = 53


class _Silence(Exception):  # noqa: N818 - what it is
    """No server answered; the message says how each one failed."""


def look(namespace: Path, asking: Asking, wanted: Sequence[Wanted]) -> list[NameLookup]:
    """Each name, looked up from inside the network namespace at path `namespace`.

    At most 4 names, 2 s for each question, which is asked twice, and 7 s for each name; of
    further ones each says that it was not looked up.

    Raises:
        OSError: the process is gone, or its namespace cannot be entered.
    """
    with ThreadPoolExecutor(max_workers=MAX_NAMES) as pool:
        work = [pool.submit(_enter_and_ask, namespace, asking, w) for w in wanted[:MAX_NAMES]]
        return [*(w.result() for w in work), *map(_not_asked, wanted[MAX_NAMES:])]


def _not_asked(wanted: Wanted) -> NameLookup:
    says = f"at most {MAX_NAMES} names a pod are looked up"
    return NameLookup(wanted.name, wanted.used_for, "error", detail=says)


def _enter_and_ask(namespace: Path, asking: Asking, wanted: Wanted) -> NameLookup:
    """A socket keeps the namespace that its thread was in when it was made."""
    with entered(namespace):
        return attempt(asking, wanted)


def attempt(asking: Asking, wanted: Wanted) -> NameLookup:
    """One name: its fixed address, else what the servers say of each full name in turn."""
    start = time.monotonic()
    fixed = read_hosts(asking.hosts, wanted.name)
    if fixed:
        return NameLookup(wanted.name, wanted.used_for, "resolved", fixed, (), "/etc/hosts")
    asked: list[str] = []
    try:
        outcome, found, detail = _search(asking, wanted.name, asked, start + _MAX_SECONDS)
    except _Silence as error:
        outcome, found, detail = "no_answer", (), str(error)
    except (DnsError, OSError) as error:
        outcome, found, detail = "error", (), str(error)
    seconds = round(time.monotonic() - start, 4)
    return NameLookup(wanted.name, wanted.used_for, outcome, found, tuple(asked), detail, seconds)


_Found = tuple[LookupOutcome, tuple[str, ...], str]


def _search(asking: Asking, name: str, asked: list[str], end: float) -> _Found:
    """The first full name that has an address. One that is there without any is remembered."""
    outcome: LookupOutcome = "no_such_name"
    detail = ""
    if not asking.resolver.servers:
        return "error", (), "resolv.conf names no server"
    for full in asking.resolver.names(name):
        asked.append(full)
        first = _ask(asking, full, A, end)
        if first.code == NAME_ERROR:
            continue
        second = _second(asking, full, first, end)
        found = (*first.addresses, *second.addresses)
        if found:
            return "resolved", found, full
        if first.code == NO_ERROR:
            outcome = "no_address"
        else:
            detail = f"{first.says} for {full}"
    return ("error", (), detail) if detail else (outcome, (), "")


def _second(asking: Asking, full: str, first: Answer, end: float) -> Answer:
    """Its IPv6 addresses; a server that is silent on them takes no IPv4 address back."""
    try:
        return _ask(asking, full, AAAA, end)
    except (_Silence, DnsError, OSError):
        if first.addresses:
            return Answer(NO_ERROR)
        raise


def _ask(asking: Asking, full: str, kind: int, end: float) -> Answer:
    """The first answer of a server; one that cannot say is as good as its code."""
    silent: list[str] = []
    answer: Answer | None = None
    for server in asking.resolver.servers:
        left = min(TIMEOUT, end - time.monotonic())
        if left <= 0:
            break
        try:
            answer = _exchange(server, asking.port, full, kind, left)
        except TimeoutError:
            silent.append(f"{server} gives no answer in {TIMEOUT:g} s, asked twice")
        except OSError as error:
            silent.append(f"{server}: {error.strerror or error}")
        else:
            if answer.code in (NO_ERROR, NAME_ERROR):
                return answer
    if answer is None:
        raise _Silence("; ".join(silent) or f"no answer in {_MAX_SECONDS:g} s")
    return answer


def _exchange(server: str, port: int, full: str, kind: int, seconds: float) -> Answer:
    number = secrets.randbelow(1 << 16)
    asks = question(number, full, kind)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    end = time.monotonic() + seconds
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.connect((server, port))
        client.send(asks)
        try:
            answer = _received(client, number, full, kind, end - seconds / 2)
        except TimeoutError:  # a resolver asks again before it gives up: a packet may be lost
            client.send(asks)
            answer = _received(client, number, full, kind, end)
    if not answer.truncated:
        return answer
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(_left(end))
        client.connect((server, port))
        client.sendall(_LENGTH.pack(len(asks)) + asks)
        (length,) = _LENGTH.unpack(_exactly(client, _LENGTH.size, end))
        if length > MAX_ANSWER:
            raise DnsError(f"an answer of {length} bytes")
        return read_answer(_exactly(client, length, end), number, full, kind)


def _received(client: socket.socket, number: int, full: str, kind: int, end: float) -> Answer:
    """The answer to this question; a few others are passed over, as they may be late or lies."""
    for _ in range(_MAX_STRAYS):
        client.settimeout(_left(end))
        try:
            return read_answer(client.recv(MAX_ANSWER), number, full, kind)
        except DnsError:
            continue
    raise DnsError(f"{_MAX_STRAYS} answers that are none to the question")


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _exactly(client: socket.socket, size: int, end: float) -> bytes:
    data = b""
    while len(data) < size:
        client.settimeout(_left(end))
        more = client.recv(size - len(data))
        if not more:
            raise DnsError("an answer that is cut short")
        data += more
    return data
