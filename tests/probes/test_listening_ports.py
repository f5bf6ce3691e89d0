"""The TCP ports that a pod's namespace listens on, from the kernel's own table."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.probes import sockets
from distcheck.checks.evidence import ListeningPort

NOW = "2026-01-15T09:30:00Z"
HEADER = "  sl  local_address rem_address   st\n"


def test_a_port_that_this_process_listens_on_is_seen() -> None:
    """By the real table; a socket that is only bound does not listen."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        seen = sockets.listening("/proc", os.getpid(), NOW)
        port, other = server.getsockname()[1], bound.getsockname()[1]
    assert ListeningPort(port, "127.0.0.1") in seen.ports
    assert other not in {p.port for p in seen.ports}
    assert (seen.source, seen.seen_at) == (f"/proc/{os.getpid()}/net/tcp and tcp6", NOW)


def test_no_more_ports_are_kept_than_a_bound(tmp_path: Path) -> None:
    """The rest is counted."""
    rows = "".join(f"{n}: 00000000:{n + 1:04X} 00000000:0000 0A\n" for n in range(1100))
    table(tmp_path, rows)
    seen = sockets.listening(str(tmp_path), 1, NOW)
    assert (len(seen.ports), seen.dropped) == (1024, 76)
    assert seen.ports[0] == ListeningPort(1, "0.0.0.0")


def test_of_a_process_that_is_gone_nothing_is_seen(tmp_path: Path) -> None:
    """Which the caller has to tell from a pod that listens nowhere."""
    with pytest.raises(OSError, match="No such file"):
        sockets.listening(str(tmp_path), 1, NOW)


@given(st.text(max_size=200))
def test_any_row_is_taken(row: str) -> None:
    """It is a listener's, or nothing."""
    found = sockets.listener_of(row)
    assert found is None or 0 <= found[1] < 65_536


def table(folder: Path, rows: str) -> None:
    """`net/tcp` of process 1."""
    (folder / "1" / "net").mkdir(parents=True)
    (folder / "1" / "net" / "tcp").write_text(HEADER + rows)
