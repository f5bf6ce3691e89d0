"""The names that a pod's processes meet each other by, as its own resolver answers them."""

from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen

LookupOutcome = Literal["resolved", "no_such_name", "no_address", "no_answer", "error"]


class NameLookup(Struct, frozen=True, omit_defaults=True):
    """One name, and how its lookup from inside the pod's network namespace ended.

    `used_for` is what names it (`--address of ray start`, `LWS_LEADER_ADDRESS`). `asked` are
    the full names that were tried, by the pod's own search list.
    """

    name: str
    used_for: str
    outcome: LookupOutcome
    addresses: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    detail: str = ""
    seconds: float = 0.0


class NameLookups(Seen, frozen=True, tag="names"):
    """All names of one pod; `servers` and `search` are from its `resolv.conf`."""

    lookups: tuple[NameLookup, ...]
    source: str
    seen_at: str | None = None
    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
