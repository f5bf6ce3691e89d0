"""Xid events of a node's GPUs: errors that the driver reports by number."""

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen


class Xid(Struct, frozen=True):
    """One number on one GPU: how often it came, and when first and last (RFC 3339).

    `number` is 999 where the driver does not know which (nvml.h, eventData).
    """

    uuid: str
    index: int
    number: int
    count: int
    first_at: str
    last_at: str


class Xids(Seen, frozen=True, tag="xids", omit_defaults=True):
    """What came while the agent waited: from `since` until `until`, and nothing of before.

    `seen` may hold events of an earlier wait of the same agent. `deaf` has the UUIDs of GPUs
    that tell no events, `dropped` counts numbers beyond those that are kept. `ended` is why
    the agent waits no more; empty while it does.
    """

    since: str
    until: str
    seen: tuple[Xid, ...] = ()
    deaf: tuple[str, ...] = ()
    dropped: int = 0
    ended: str = ""

    def of(self, uuid: str, index: int) -> tuple[Xid, ...]:
        """Those of one GPU; by its index where a lost GPU has no UUID any more."""
        return tuple(x for x in self.seen if (x.uuid == uuid if uuid else x.index == index))
