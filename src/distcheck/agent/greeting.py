"""What an agent's listener says to whoever connects, and what the one who connects makes of it.

One line, then bytes without meaning, more than fit in one packet of any usual network. The
nonce was told to the caller only, so a proxy that accepts for everybody cannot say it; the
caller's address, as the listener sees it, shows a translation on the way. Nothing is sent back.
"""

import re
import socket
import time

from msgspec import Struct

from distcheck.checks.evidence.node import PortOutcome

PADDING = 9000
"""Bytes: a full-size packet of any Ethernet, jumbo frames too, does not hold them."""
STRANGER = "-"
_LINE = re.compile(rb"distcheck/1 ([0-9a-f]{32}|-) ([0-9a-f.:]{2,45})\n")
_LONGEST = 128
NONCE = re.compile(r"[0-9a-f]{32}\Z")


class Heard(Struct, frozen=True):
    """How a conversation with a listener ended; `seen_as` is the address that it named."""

    outcome: PortOutcome
    detail: str = ""
    seen_as: str = ""


def line(token: str, seen_as: str) -> bytes:
    """The first line: the nonce, or `-` for an address that was not expected."""
    return f"distcheck/1 {token} {seen_as}\n".encode()


def hear(client: socket.socket, nonce: str, seconds: float) -> Heard:
    """Read what the listener says, at most `seconds` for its line and as long for the rest.

    What is read is compared and thrown away.
    """
    first, rest = _line(client, seconds)
    found = _LINE.fullmatch(first)
    if found is None or found[1].decode() not in (nonce, STRANGER):
        return Heard("silent", _instead(first, seconds))
    seen_as = found[2].decode()
    heard = _padding(client, len(rest), seconds, seen_as)
    return heard if found[1].decode() != STRANGER else _as_stranger(heard)


def _as_stranger(heard: Heard) -> Heard:
    """It was told no nonce, as its address was translated on the way.

    That full-size packets are lost is not known where none was sent: earlier agents sent a
    stranger none.
    """
    saw = f"the listener saw {heard.seen_as}, and told it no nonce"
    if heard.outcome == "black_hole":
        return Heard("error", f"{saw}; {heard.detail}", heard.seen_as)
    return Heard(heard.outcome, "; ".join(filter(None, (saw, heard.detail))), heard.seen_as)


def _instead(first: bytes, seconds: float) -> str:
    said = "something else" if first else "nothing"
    return f"accepted, but not by the agent's listener: it said {said} in {seconds:g} s"


def _line(client: socket.socket, seconds: float) -> tuple[bytes, bytes]:
    """The first line, and what came with it; without its end where that did not come."""
    told, end = b"", time.monotonic() + seconds
    while b"\n" not in told and len(told) < _LONGEST:
        more = _more(client, end, _LONGEST)
        if not more:
            return told, b""
        told += more
    first, newline, rest = told.partition(b"\n")
    return first + newline, rest


def _padding(client: socket.socket, had: int, seconds: float, seen_as: str) -> Heard:
    got, end = had, time.monotonic() + seconds
    while got < PADDING:
        more = _more(client, end, PADDING - got)
        if not more:
            break
        got += len(more)
    if got >= PADDING:
        return Heard("open", "", seen_as)
    late = f"{got} of {PADDING} bytes came in {seconds:g} s"
    return Heard("error" if got else "black_hole", f"connected, but {late}", seen_as)


def _more(client: socket.socket, end: float, most: int) -> bytes:
    """What comes next; nothing where it comes too late, or the connection is over."""
    left = end - time.monotonic()
    if left <= 0:
        return b""
    client.settimeout(left)
    try:
        return client.recv(most)
    except OSError:
        return b""
