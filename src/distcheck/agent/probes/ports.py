"""Connections tried from inside a pod's own network namespace.

How each ends, on Linux (tried with nftables): accepted; a reset is ECONNREFUSED with an empty
error queue; an ICMP rejection leaves its type and its sender on the error queue; a dropped
packet ends in a time-out.
"""

import errno
import os
import socket
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from msgspec import Struct

from distcheck.agent.greeting import Heard, hear
from distcheck.agent.icmp_errors import icmp_error, watch
from distcheck.agent.netns import entered
from distcheck.agent.peer_address import too_far_here, why_no_peer
from distcheck.agent.side_by_side import Bound, bounded
from distcheck.checks.evidence import PortProbe
from distcheck.checks.evidence.node import PortOutcome

MAX_TARGETS = 64
_BOUND = Bound(MAX_TARGETS, 10.0, f"at most {MAX_TARGETS} ports a pod")
TIMEOUT = 2.0
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH)


class PortTarget(Struct, frozen=True):
    """One address to try: whose it is, and what uses it.

    `nonce` is what a listener of another agent says there.
    """

    peer: str
    address: str
    port: int
    service: str
    nonce: str = ""


def look(
    namespace: Path,
    source: str | None,
    targets: Sequence[PortTarget],
    barred: Collection[str] = (),
    pool: Executor | None = None,
) -> list[PortProbe]:
    """One connection to each target, from inside the network namespace at path `namespace`.

    `source` is the address to start from, where the kernel's choice is not the pod's own.
    Every connection is closed at once; nothing is sent, and nothing is read but from a
    listener of another agent, whose nonce the target has. Targets beyond the first 64,
    `barred` addresses, and those that no pod of a group can have are not tried, and each
    says so.

    Raises:
        OSError: the process is gone, or its namespace cannot be entered.
    """
    attempt = partial(_enter_and_try, namespace, source, barred=barred)
    return bounded(targets, attempt, not_tried, _BOUND, pool)


def is_own(namespace: Path) -> bool:
    """Whether that is the network namespace that this thread is in.

    Raises:
        OSError: the process is gone, or may not be looked at.
    """
    return os.path.samestat(namespace.stat(), Path("/proc/thread-self/ns/net").stat())


def not_tried(target: PortTarget, why: str) -> PortProbe:
    """A target that was left out, and why."""
    says = f"not tried: {why}"
    return PortProbe(target.peer, target.address, target.port, target.service, "error", says)


def _enter_and_try(
    namespace: Path, source: str | None, target: PortTarget, barred: Collection[str]
) -> PortProbe:
    """A socket keeps the namespace that its thread was in when it was made."""
    refused = why_no_peer(target.address, barred)
    if refused is not None:
        return not_tried(target, refused)
    with entered(namespace) as own:
        far = too_far_here(target.address, shared=own)
        return attempt(source, target) if far is None else not_tried(target, far)


def attempt(source: str | None, target: PortTarget) -> PortProbe:
    """One TCP connection, and how it ended."""
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    start = time.monotonic()
    with socket.socket(family, socket.SOCK_STREAM) as client:
        heard = _connect(client, source, target)
    return PortProbe(
        target.peer,
        target.address,
        target.port,
        target.service,
        heard.outcome,
        heard.detail,
        round(time.monotonic() - start, 4),
        heard.seen_as,
    )


def _connect(client: socket.socket, source: str | None, target: PortTarget) -> Heard:
    client.settimeout(TIMEOUT)
    try:
        watch(client)
        if source:
            client.bind((source, 0))
        client.connect((target.address, target.port))
    except TimeoutError:
        return Heard("filtered", f"no answer in {TIMEOUT:g} s")
    except OSError as error:
        return Heard(*_refusal(client, error))
    return hear(client, target.nonce, TIMEOUT) if target.nonce else Heard("open")


def _refusal(client: socket.socket, error: OSError) -> tuple[PortOutcome, str]:
    icmp = icmp_error(client)
    if icmp:
        return "rejected", icmp
    if error.errno == errno.ECONNREFUSED:
        return "refused", "reset: nothing listens there, or a policy answers for it"
    if error.errno in _UNREACHABLE:
        return "rejected", os.strerror(error.errno)
    return "error", str(error)
