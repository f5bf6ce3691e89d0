"""Connections tried from inside a pod's own network namespace.

How each ends, on Linux (tried with nftables): accepted; a reset is ECONNREFUSED with an empty
error queue; an ICMP rejection leaves its type and its sender on the error queue; a dropped
packet ends in a time-out.
"""

import errno
import os
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from distcheck.agent.icmp_errors import icmp_error, watch
from distcheck.agent.netns import entered
from distcheck.agent.peer_address import why_not
from distcheck.checks.evidence import PortProbe
from distcheck.checks.evidence.node import PortOutcome

MAX_TARGETS = 64
_TOO_MANY = f"at most {MAX_TARGETS} ports a pod"
TIMEOUT = 2.0
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)


class PortTarget(Struct, frozen=True):
    """One address to try: whose it is, and what uses it."""

    peer: str
    address: str
    port: int
    service: str


def look(namespace: Path, source: str | None, targets: Sequence[PortTarget]) -> list[PortProbe]:
    """One connection to each target, from inside the network namespace at path `namespace`.

    `source` is the address to start from, where the kernel's choice is not the pod's own.
    Every connection is closed at once; nothing is sent. Targets beyond the first 64, and
    addresses that no pod can have, are not tried, and each says so.

    Raises:
        OSError: the process is gone, or its namespace cannot be entered.
    """
    tried, left = targets[:MAX_TARGETS], targets[MAX_TARGETS:]
    with ThreadPoolExecutor(max_workers=MAX_TARGETS) as pool:
        work = [pool.submit(_enter_and_try, namespace, source, t) for t in tried]
        return [*(w.result() for w in work), *(_not_tried(t, _TOO_MANY) for t in left)]


def is_own(namespace: Path) -> bool:
    """Whether that is the network namespace that this thread is in.

    Raises:
        OSError: the process is gone, or may not be looked at.
    """
    return os.path.samestat(namespace.stat(), Path("/proc/thread-self/ns/net").stat())


def _not_tried(target: PortTarget, why: str) -> PortProbe:
    says = f"not tried: {why}"
    return PortProbe(target.peer, target.address, target.port, target.service, "error", says)


def _enter_and_try(namespace: Path, source: str | None, target: PortTarget) -> PortProbe:
    """A socket keeps the namespace that its thread was in when it was made."""
    refused = why_not(target.address)
    if refused is not None:
        return _not_tried(target, refused)
    with entered(namespace):
        return attempt(source, target)


def attempt(source: str | None, target: PortTarget) -> PortProbe:
    """One TCP connection, and how it ended."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    start = time.monotonic()
    with socket.socket(family, socket.SOCK_STREAM) as client:
        outcome, detail = _connect(client, source, target)
    seconds = round(time.monotonic() - start, 4)
    return PortProbe(
        target.peer, target.address, target.port, target.service, outcome, detail, seconds
    )


def _connect(
    client: socket.socket, source: str | None, target: PortTarget
) -> tuple[PortOutcome, str]:
    client.settimeout(TIMEOUT)
    try:
        watch(client)
        if source:
            client.bind((source, 0))
        client.connect((target.address, target.port))
    except TimeoutError:
        return "filtered", f"no answer in {TIMEOUT:g} s"
    except OSError as error:
        return _refusal(client, error)
    return "open", ""


def _refusal(client: socket.socket, error: OSError) -> tuple[PortOutcome, str]:
    icmp = icmp_error(client)
    if icmp:
        return "rejected", icmp
    if error.errno == errno.ECONNREFUSED:
        return "refused", "reset: nothing listens there, or a policy answers for it"
    if error.errno in _UNREACHABLE:
        return "rejected", os.strerror(error.errno)
    return "error", str(error)
