"""TCP connections of a pod and the bytes that each has carried, as the kernel counts them.

Asked as `ss -ti` does: a dump of inet_diag (sock_diag(7)) from inside the pod's network
namespace. It needs no right but that of entering; only addresses and counts are told.
"""

import errno
import ipaddress
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from distcheck.agent import netlink
from distcheck.agent.netlink import Ask, attributes, dump_request, messages
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.rights import ENTERING, why_refused
from distcheck.checks.evidence.flows import TcpFlow, TcpFlows

_BY_FAMILY = 20
_REQUEST = struct.Struct("=BBBBI48x")
"""inet_diag_req_v2: family, protocol, extensions, padding, states, socket."""
_ROW = struct.Struct("!4xHH16s16s32x")
"""inet_diag_msg: ports and addresses in network order; the inode follows in the machine's."""
_INODE = struct.Struct("=68xI")
_INFO, _ESTABLISHED = 2, 1
_BYTES = struct.Struct("=120xQQ")
"""tcpi_bytes_acked and tcpi_bytes_received of tcp_info, there since Linux 4.1."""
_WHAT = "the bytes that the pod's connections carried"
_MOST_ROWS, _MOST_KEPT = 65_536, 1024


def look(namespace: Path, owners: Mapping[int, int], now: str, ask: Ask = netlink.ask) -> TcpFlows:
    """Established connections with other addresses, those that carried most first.

    `owners` are processes by the inodes of their sockets.

    Raises:
        ProbeError: the namespace may not be entered, or the kernel does not tell.
    """
    try:
        found = [*_dumped(namespace, socket.AF_INET, ask), *_of_ipv6(namespace, ask)]
    except OSError as error:
        raise ProbeError(why_refused(error, _WHAT, ENTERING) or _why(error)) from error
    flows = [
        _owned(flow, owners.get(inode, 0)) for inode, flow in found if flow.local != flow.remote
    ]
    flows.sort(key=lambda f: (-f.sent_bytes - f.received_bytes, f.local_port, f.remote_port))
    source = "inet_diag in the pod's network namespace"
    dropped = max(0, len(flows) - _MOST_KEPT)
    return TcpFlows(tuple(flows[:_MOST_KEPT]), source, now, dropped=dropped)


def _why(error: OSError) -> str:
    if error.errno == errno.ENOENT and error.filename is None:
        return f"{_WHAT} cannot be seen: the kernel has no module tcp_diag"
    return f"{_WHAT} cannot be seen: {error}"


def _of_ipv6(namespace: Path, ask: Ask) -> list[tuple[int, TcpFlow]]:
    """None where the kernel has no IPv6."""
    try:
        return list(_dumped(namespace, socket.AF_INET6, ask))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return []


def _dumped(namespace: Path, family: int, ask: Ask) -> Iterator[tuple[int, TcpFlow]]:
    states = 1 << _ESTABLISHED
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, states)
    datagrams = ask(namespace, netlink.SOCK_DIAG, dump_request(_BY_FAMILY, body))
    for number, one in enumerate(messages(datagrams)):
        if number >= _MOST_ROWS:
            raise OSError(f"more than {_MOST_ROWS} connections")
        row = flow_of(one.body) if one.kind == _BY_FAMILY else None
        if row is not None:
            yield row


def flow_of(body: bytes) -> tuple[int, TcpFlow] | None:
    """(inode, connection) of one row; None where it has no counts, or is cut."""
    if len(body) < _ROW.size or body[1] != _ESTABLISHED:
        return None
    info = next((v for kind, v in attributes(body[_ROW.size :]) if kind == _INFO), b"")
    if len(info) < _BYTES.size:
        return None
    here, there, source, target = _ROW.unpack_from(body)
    local, remote = (_address(body[0], raw) for raw in (source, target))
    sent, received = _BYTES.unpack_from(info)
    flow = TcpFlow(local, here, remote, there, sent, received)
    return _INODE.unpack_from(body)[0], flow


def _address(family: int, raw: bytes) -> str:
    if family == socket.AF_INET:
        return str(ipaddress.IPv4Address(raw[:4]))
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped or address)


def _owned(flow: TcpFlow, pid: int) -> TcpFlow:
    whole = (flow.local, flow.local_port, flow.remote, flow.remote_port)
    return TcpFlow(*whole, flow.sent_bytes, flow.received_bytes, pid)
