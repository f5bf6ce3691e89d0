"""What the TCP connections of a pod have carried."""

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen


class TcpFlow(Struct, frozen=True, omit_defaults=True):
    """One established connection, and the bytes it has carried in all (TCP_INFO, tcp(7)).

    `sent_bytes` are those that the peer acknowledged. `pid` is the host's number of a process
    that holds it, 0 where none was found.
    """

    local: str
    local_port: int
    remote: str
    remote_port: int
    sent_bytes: int = 0
    received_bytes: int = 0
    pid: int = 0


class TcpFlows(Seen, frozen=True, tag="tcp-flows"):
    """The connections of one pod's namespace with other addresses.

    `owned` are the processes whose sockets are known by `pid`; where those of some process
    are not, `refused` says why. `before` are the same connections in an earlier look of the
    same agent, and when that was; one that is not among them is younger. `dropped` counts
    connections that carried less than those that are kept.
    """

    flows: tuple[TcpFlow, ...]
    source: str
    seen_at: str | None = None
    before: tuple[TcpFlow, ...] = ()
    before_at: str | None = None
    dropped: int = 0
    owned: tuple[int, ...] = ()
    refused: str | None = None
