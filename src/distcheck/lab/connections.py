"""`/proc/net/tcp` of a pod: what its ranks hold open to those of the other pod while they serve."""

import ipaddress
import sys
from collections.abc import Iterator

from distcheck.lab.layout import Layout, Member, Rank
from distcheck.lab.nccl_text import comms_of

_HEADER = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
    "timeout inode\n"
)
_ESTABLISHED, _LISTENS = "01", "0A"
_BOOTSTRAP, _OUTGOING = 36_000, 48_000
"""Where ranks listen for NCCL's bootstrap, and call from: ports of no known service."""
End = tuple[str, int]
_NOBODY: End = ("0.0.0.0", 0)


def tcp_table(layout: Layout, member: Member) -> str:
    """The rows of one pod: each connection is in the tables of both of its pods."""
    ends = [e for pair in _connections(layout) for e in (pair, pair[::-1]) if e[0][0] == member.ip]
    rows = (row_of(number, here, there) for number, (here, there) in enumerate(ends))
    return _HEADER + "".join(rows)


def _connections(layout: Layout) -> Iterator[tuple[End, End]]:
    """(caller, listener): every rank calls the store of its world, and the next in each ring."""
    for rank in layout.ranks():
        engine = layout.engine(rank)
        if engine.progress == "serving":
            head = layout.member(engine.nodes[0])
            if head != rank.member:
                yield _caller(rank, 0), (head.ip, layout.rendezvous_port)
    for number, comm in enumerate(comms_of(layout), 1):
        if layout.engine(comm.members[0]).progress != "serving":
            continue
        for one, after in zip(comm.members, (*comm.members[1:], comm.members[0]), strict=True):
            if one.member != after.member:
                port = _BOOTSTRAP + 100 * number + after.local
                yield _caller(one, number), (after.member.ip, port)


def _caller(rank: Rank, number: int) -> End:
    return rank.member.ip, _OUTGOING + 100 * number + rank.local


def row_of(number: int, here: End, there: End = _NOBODY) -> str:
    """As net/ipv4/tcp_ipv4.c writes it, addresses in the machine's byte order.

    Without another end it is a listener's.
    """
    state = _LISTENS if there == _NOBODY else _ESTABLISHED
    return (
        f"{number:4}: {_hex(here)} {_hex(there)} {state} 00000000:00000000 00:00000000 "
        f"00000000     0        0 {90_000 + number} 1 0000000000000000 20 4 30 10 -1\n"
    )


def _hex(end: End) -> str:
    word = int.from_bytes(ipaddress.IPv4Address(end[0]).packed, sys.byteorder)
    return f"{word:08X}:{end[1]:04X}"
