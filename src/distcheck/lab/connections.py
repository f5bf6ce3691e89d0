"""What ranks hold open to those of the other pod while they serve: by `/proc`, and by netlink."""

import ipaddress
import sys
from collections.abc import Iterator

from msgspec import Struct

from distcheck.lab.layout import Layout, Member, Rank
from distcheck.lab.nccl_text import comms_of
from distcheck.lab.ras_job import RAS_PORT, job_of

_HEADER = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
    "timeout inode\n"
)
_ESTABLISHED, _LISTENS = "01", "0A"
_BOOTSTRAP, _OUTGOING, _DATA = 36_000, 48_000, 8_000
"""Where ranks listen for NCCL's bootstrap, call from, and how far beyond both its data goes."""
_SETTING_UP, _TENSORS, _A_SECOND = 3_400, 21_000_000_000, 90_000_000
_INODE = 90_000
End = tuple[str, int]
_NOBODY: End = ("0.0.0.0", 0)


class Held(Struct, frozen=True):
    """One connection: its ends, the ranks that hold them, and the bytes that the caller sent.

    Without a `listening` rank that end is of another process. `a_second` are the bytes by
    which it grows.
    """

    caller: End
    listener: End
    calling: Rank
    listening: Rank | None
    sent: int = _SETTING_UP
    a_second: int = 0


class Side(Struct, frozen=True):
    """A connection as one of its two pods has it."""

    inode: int
    here: End
    there: End
    rank: Rank | None
    sent: int
    received: int
    a_second: tuple[int, int]


def tcp_table(layout: Layout, member: Member) -> str:
    """The rows of one pod: each connection is in the tables of both of its pods."""
    rows = [row_of(n, one.here, one.there) for n, one in enumerate(sides(layout, member))]
    rows += [row_of(len(rows) + n, here) for n, here in enumerate(_listening(layout, member))]
    return _HEADER + "".join(rows)


def _listening(layout: Layout, member: Member) -> Iterator[End]:
    if member == layout.head and layout.running_on(member):
        yield member.ip, layout.rendezvous_port
    if job_of(layout, member) is not None:
        yield member.ip, RAS_PORT


def sides(layout: Layout, member: Member) -> list[Side]:
    """The connections of one pod."""
    found: list[Side] = []
    for held in _connections(layout):
        inode = _INODE + len(found)
        if held.caller[0] == member.ip:
            ends, more = (held.caller, held.listener), (held.a_second, 0)
            found.append(Side(inode, *ends, held.calling, held.sent, 0, more))
        elif held.listener[0] == member.ip:
            ends, more = (held.listener, held.caller), (0, held.a_second)
            found.append(Side(inode, *ends, held.listening, 0, held.sent, more))
    return found


def crossings(layout: Layout) -> Iterator[tuple[int, Rank, Rank]]:
    """(number of the communicator, one, the next in its ring) on different nodes."""
    for number, comm in enumerate(comms_of(layout), 1):
        if layout.engine(comm.members[0]).progress != "serving":
            continue
        for one, after in zip(comm.members, (*comm.members[1:], comm.members[0]), strict=True):
            if one.member != after.member:
                yield number, one, after


def _connections(layout: Layout) -> Iterator[Held]:
    """Every rank calls the store of its world, and the next one in each ring."""
    for rank in layout.ranks():
        engine = layout.engine(rank)
        if engine.progress == "serving":
            head = layout.member(engine.nodes[0])
            if head != rank.member:
                store = head.ip, layout.rendezvous_port
                yield Held(_caller(rank, 0), store, rank, None)
    for number, one, after in crossings(layout):
        port = _BOOTSTRAP + 100 * number + after.local
        caller, listener = _caller(one, number), (after.member.ip, port)
        yield Held(caller, listener, one, after)
        if layout.world.network == "socket":
            data = (caller[0], caller[1] + _DATA), (listener[0], port + _DATA)
            yield Held(*data, one, after, _TENSORS, _A_SECOND)


def _caller(rank: Rank, number: int) -> End:
    return rank.member.ip, _OUTGOING + 100 * number + rank.local


def row_of(number: int, here: End, there: End = _NOBODY) -> str:
    """As net/ipv4/tcp_ipv4.c writes it, addresses in the machine's byte order.

    Without another end it is a listener's.
    """
    state = _LISTENS if there == _NOBODY else _ESTABLISHED
    return (
        f"{number:4}: {_hex(here)} {_hex(there)} {state} 00000000:00000000 00:00000000 "
        f"00000000     0        0 {_INODE + number} 1 0000000000000000 20 4 30 10 -1\n"
    )


def _hex(end: End) -> str:
    word = int.from_bytes(ipaddress.IPv4Address(end[0]).packed, sys.byteorder)
    return f"{word:08X}:{end[1]:04X}"
