"""NCCL's RAS, asked from inside a pod's network namespace: one connection, for the whole job.

Every process of a job with NCCL 2.24 or newer has a RAS thread, and any of them answers for all.
They listen on `localhost:28028`, or where NCCL_RAS_ADDR says, on IPv4 or IPv6 as the name
resolves there, and share the port of one namespace (SO_REUSEPORT).
"""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path

from msgspec import structs

from distcheck.agent import ras_json, ras_text
from distcheck.agent.container_json import NotJsonError
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.ras_client import NoAnswerError, RasAddress, ask
from distcheck.agent.redact import one_line
from distcheck.checks.evidence.ras import RasStatus

PORT = 28028
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}
_MOST = 4
"""Connections in one look: several jobs of one namespace share a port, and the kernel picks."""


def listening(
    listeners: Sequence[tuple[str, int]], environ: Mapping[str, str], namespace: Path
) -> list[RasAddress]:
    """Where RAS listens, by the listeners of its namespace and the environment of a rank.

    Raises:
        ProbeError: RAS is off, or nobody listens.
    """
    if environ.get("NCCL_RAS_ENABLE", "").strip() == "0":
        raise ProbeError("NCCL_RAS_ENABLE=0 switches NCCL's RAS off")
    port = _port(environ.get("NCCL_RAS_ADDR"))
    found = list(dict.fromkeys(_addresses(listeners, port, namespace)))
    if not found:
        raise ProbeError(
            f"nobody listens on port {port}, where NCCL's RAS does from 2.24 on once a"
            " communicator is made"
        )
    return found


def look(found: Sequence[RasAddress], pids: frozenset[int], seen_at: str) -> RasStatus:
    """What RAS says of the job; where an answer is of another one, it is asked again.

    `pids` are the numbers that the pod's processes have in their containers.

    Raises:
        ProbeError: nobody answers as RAS does, or for other pods only.
        OSError: the namespace cannot be entered.
    """
    return structs.replace(_asked(found, pids), seen_at=seen_at)


def _asked(found: Sequence[RasAddress], pids: frozenset[int]) -> RasStatus:
    reasons, other = [], None
    for where in islice(cycle(found), _MOST):
        try:
            status = _status(where)
        except NoAnswerError as error:
            reasons.append(str(error))
            if len(reasons) >= len(found):
                break
            continue
        if not _is_other(status, pids):
            return status
        other = status
    if other is not None:
        raise ProbeError(f"RAS on {other.source} answers for processes of other pods only")
    raise ProbeError("; ".join(dict.fromkeys(reasons)))


def _status(where: RasAddress) -> RasStatus:
    data, as_json = ask(where)
    source = f"NCCL RAS at {where}"
    if as_json:
        try:
            return ras_json.status_of(data, source)
        except NotJsonError as error:
            raise NoAnswerError(f"{where}: {error}") from error
    status = ras_text.status_of(data.decode("utf-8", "replace"), source)
    if status is None:
        said = one_line(data[-200:].decode("utf-8", "replace"), 60)
        raise NoAnswerError(f"{where}: the answer is cut, it ends with {said!r}")
    return status


def _is_other(status: RasStatus, pids: frozenset[int]) -> bool:
    """Whether the answer names processes, and none of them has a number of this pod's."""
    named = {r.pid for c in status.communicators for r in c.ranks if r.pid}
    return bool(named and pids) and not named & pids


def _port(given: str | None) -> int:
    """The port of NCCL_RAS_ADDR (`host:port`, `[::1]:port`); the usual one where it has none."""
    digits = (given or "").rpartition(":")[2]
    known = digits.isascii() and digits.isdigit() and len(digits) <= 5 and 0 < int(digits) < 65_536
    return int(digits) if known else PORT


def _addresses(
    listeners: Sequence[tuple[str, int]], port: int, namespace: Path
) -> Iterator[RasAddress]:
    """Where somebody listens on `port`; a wildcard address is reached over loopback."""
    for address, listens in listeners:
        if listens == port:
            ip = ipaddress.ip_address(address)
            reached = _LOOPBACK[ip.version] if ip.is_unspecified else address
            yield RasAddress(namespace, reached, port)
