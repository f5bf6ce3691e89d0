"""What the API server says of one pod's containers, in order of what lies deepest."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.podspec import restart_count

Object = dict[str, Any]


class ContainerState(Struct, frozen=True):
    """One container: its state now, how it last ended, and whether others wait for it."""

    name: str
    waiting: Object
    running: Object
    ended: Object
    before: Object
    restarts: int
    is_init: bool

    @property
    def failure(self) -> Object:
        """How it ended last: now, or before it was started again."""
        return self.ended or self.before


def status_of(pod: Object) -> Object:
    """The pod's status; empty where it has none yet."""
    status: Object = pod.get("status") or {}
    return status


def containers_of(pod: Object) -> Iterator[ContainerState]:
    """The init containers, then the others, as their statuses have them."""
    status = status_of(pod)
    for key, is_init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for one in status.get(key) or ():
            yield _state(one, is_init=is_init)


def _state(one: Object, *, is_init: bool) -> ContainerState:
    now, before = one.get("state") or {}, one.get("lastState") or {}
    return ContainerState(
        name=str(one.get("name", "")),
        waiting=now.get("waiting") or {},
        running=now.get("running") or {},
        ended=now.get("terminated") or {},
        before=before.get("terminated") or {},
        restarts=restart_count(one),
        is_init=is_init,
    )


def condition(pod: Object, kind: str) -> Object:
    """The condition of that type; empty where there is none."""
    found: Object = next(
        (c for c in status_of(pod).get("conditions") or () if c.get("type") == kind), {}
    )
    return found
