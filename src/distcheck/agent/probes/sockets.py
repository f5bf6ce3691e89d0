"""TCP sockets of a network namespace: evidence that needs no probe."""

import ipaddress
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from msgspec import structs

from distcheck.checks.evidence import Connection, ListeningPort, ListeningPorts

_ESTABLISHED, _LISTENS = "01", "0A"
_LAST_PORT = 65_535
_MAX_ROWS = 65_536
_MAX_KEPT = 4096
_MAX_PORTS = 1024
_EVERYWHERE = frozenset(("127.0.0.1", "::1"))


def look(proc: str, pid: int) -> tuple[Connection, ...]:
    """Connections of the namespace of process `pid`, from `net/tcp` and `net/tcp6`.

    Both files are world-readable. Connections to itself are left out. One whose own port is
    listened on was accepted there: the kernel gives no such port to a socket that calls.

    Raises:
        OSError: the process is gone.
    """
    folder = Path(proc) / str(pid) / "net"
    taking = {port for _, port in listeners(proc, pid)}
    every = (c for name in ("tcp", "tcp6") for c in _established(folder / name))
    found = {structs.replace(c, accepted=c.local_port in taking) for c in every}
    ordered = sorted(found, key=lambda c: (c.local, c.local_port, c.remote, c.remote_port))
    return tuple(ordered[:_MAX_KEPT])


def _established(path: Path) -> Iterator[Connection]:
    with path.open() as rows:
        for row in islice(rows, 1, _MAX_ROWS):
            connection = connection_of(row)
            if connection is not None and connection.local != connection.remote:
                yield connection


def listeners(proc: str, pid: int) -> tuple[tuple[str, int], ...]:
    """(address, port) of sockets of the namespace of `pid` that wait for connections.

    At most 4,096; `0.0.0.0` or `::` is any address.

    Raises:
        OSError: the process is gone.
    """
    found = (listener_of(row) for row in _rows(Path(proc) / str(pid) / "net"))
    return tuple(dict.fromkeys(islice((one for one in found if one), _MAX_KEPT)))


def listening(proc: str, pid: int, now: str) -> ListeningPorts:
    """The same, as evidence: at most 1,024, each once.

    Raises:
        OSError: the process is gone.
    """
    found = sorted(ListeningPort(port, address) for address, port in listeners(proc, pid))
    source = f"{proc}/{pid}/net/tcp and tcp6"
    return ListeningPorts(tuple(found[:_MAX_PORTS]), source, now, len(found[_MAX_PORTS:]))


def own_addresses(proc: str, pid: int) -> frozenset[str]:
    """Addresses that the namespace's connections start from, but for those of every namespace.

    Raises:
        OSError: the process is gone.
    """
    return frozenset(c.local for c in look(proc, pid)) - _EVERYWHERE


def _rows(folder: Path) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        try:
            with (folder / name).open() as rows:
                yield from islice(rows, 1, _MAX_ROWS)
        except FileNotFoundError:
            if name == "tcp":
                raise


def listener_of(row: str) -> tuple[str, int] | None:
    """Where the listener of a row of `/proc/net/tcp[6]` waits; None for any other row."""
    fields = row.split()
    if len(fields) < 4 or fields[3] != _LISTENS:
        return None
    try:
        return _address(fields[1])
    except ValueError:
        return None


def connection_of(row: str) -> Connection | None:
    """An established connection from a row of `/proc/net/tcp[6]`; None for any other row."""
    fields = row.split()
    if len(fields) < 4 or fields[3] != _ESTABLISHED:
        return None
    try:
        return Connection(*_address(fields[1]), *_address(fields[2]))
    except ValueError:
        return None


def _address(field: str) -> tuple[str, int]:
    """`0200007F:18EB` is 127.0.0.2:6379: words of 32 bits in the machine's byte order."""
    host, _, port = field.partition(":")
    raw = bytes.fromhex(host)
    if sys.byteorder == "little":
        raw = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    ip = ipaddress.ip_address(raw)
    mapped = getattr(ip, "ipv4_mapped", None)
    number = int(port, 16)
    if not 0 <= number <= _LAST_PORT:
        raise ValueError(f"{field} has no port")
    return str(mapped or ip), number
