"""The two shapes of every look: something seen, or the reason why not."""

from msgspec import Struct


class Cite(Struct, frozen=True, omit_defaults=True):
    """What a verdict rests on.

    `what` is the fact in words, `source` is `file:line`, an API path or a counter, and
    `seen_at` is an RFC 3339 time, or None where the source carries no time of its own.
    """

    what: str
    source: str
    seen_at: str | None = None


class Seen(Struct, frozen=True, tag_field="kind", tag=True):
    """Base of whatever a probe can see; the tag tells it from `Missing` in JSON."""


class Missing(Seen, frozen=True, tag="missing", omit_defaults=True):
    """Not seen, and why. Never a default value, never a guess.

    `cause` is a short stable id of the reason, where something is decided by it.
    """

    reason: str
    cause: str = ""
