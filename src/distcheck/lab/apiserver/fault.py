"""Faults that an API server shows its callers: slow, cut, or refusing for a while."""

from collections.abc import Iterable

from msgspec import Struct


class Fault(Struct, frozen=True):
    """What happens to requests whose path contains `path` (an empty one means all).

    `latency` in seconds before the answer; `cut` is the number of body bytes after which the
    connection breaks; `status` is an HTTP code to answer with instead (429, 500, 503).
    """

    path: str = ""
    latency: float = 0.0
    cut: int | None = None
    status: int | None = None


NO_FAULT = Fault()


def fault_for(path: str, faults: Iterable[Fault]) -> Fault:
    """The first fault that `path` meets, or `NO_FAULT`."""
    return next((f for f in faults if f.path in path), NO_FAULT)
