"""What Ray's own start says in a pod's log: why a node did not join."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen

RaySaying = Literal[
    "gcs_not_reached",
    "name_unresolved",
    "version_mismatch",
    "kv_unread",
    "auth_token",
    "loopback",
    "gcs_restarted",
    "marked_dead",
    "start_timed_out",
    "port_taken",
    "process_exited",
    "object_store_on_disk",
    "object_store_too_large",
]


class RaySaid(Struct, frozen=True, omit_defaults=True):
    """A line of one kind: the last of them, and how many there were since the last start.

    `address` is the head that it names. `head` and `own` are Ray's and Python's versions of
    the cluster and of this process, where it is about them.
    """

    id: RaySaying
    says: str
    source: str
    count: int = 1
    first_at: str | None = None
    seen_at: str | None = None
    address: str = ""
    head: tuple[str, str] = ("", "")
    own: tuple[str, str] = ("", "")


class RayLog(Seen, frozen=True, omit_defaults=True, tag="ray-log"):
    """Lines of `ray start` and of its processes in one pod's logs, in order.

    A start that got through makes what failed before it history: it is left out. `started` is
    where the last one is told. `node_ip` is the address that Ray chose for this node.
    """

    lines: int = 0
    said: tuple[RaySaid, ...] = ()
    started: str | None = None
    started_at: str | None = None
    node_ip: str = ""

    def last(self, *ids: RaySaying) -> RaySaid | None:
        """The last line of one of these kinds."""
        return next((s for s in reversed(self.said) if s.id in ids), None)
