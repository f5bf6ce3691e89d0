"""Xid events of the group's own GPUs, since its processes run."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing, NodeLook, Pod, Processes
from distcheck.checks.evidence.xids import Xid, Xids
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.xids import known

_SECONDS = 19
"""Of an RFC 3339 time in UTC, `2026-01-15T09:30:00`: so far texts compare as times do."""


class GpuXids(Struct, frozen=True):
    """Xids of one GPU since the pod's processes started; `before` is what came earlier."""

    now: tuple[Xid, ...] = ()
    before: tuple[Xid, ...] = ()

    @property
    def faults(self) -> tuple[Xid, ...]:
        """Those that mean broken hardware, or a GPU that has to be reset."""
        return tuple(x for x in self.now if known(x.number).kind == "hardware")

    @property
    def hints(self) -> tuple[Xid, ...]:
        """A program's own faults, and faults of hardware from before the group's start."""
        earlier = (x for x in self.before if known(x.number).kind == "hardware")
        return (*(x for x in self.now if x not in self.faults), *earlier)


def xids_of(evidence: Evidence, pod: Pod, node: NodeLook | None, uuid: str, index: int) -> GpuXids:
    """Empty where none came, and where nobody waited for them."""
    told = node.xids.of(uuid, index) if node is not None and isinstance(node.xids, Xids) else ()
    if not told:
        return GpuXids()
    start = _start(evidence, pod)
    now = tuple(x for x in told if x.last_at[:_SECONDS] >= start)
    return GpuXids(now, tuple(x for x in told if x not in now))


def _start(evidence: Evidence, pod: Pod) -> str:
    """When the first of its processes started; empty, which is before all, where nobody tells."""
    seen = evidence.look(pod).processes
    found = [p.started_at for p in seen.processes] if isinstance(seen, Processes) else []
    return min(filter(None, found), default=pod.started_at or "")[:_SECONDS]


def in_words(xid: Xid) -> str:
    """`Xid 119 twice (the GPU's system processor does not answer), last at 09:30:00Z`."""
    means = known(xid.number).means
    said = f" ({means})" if means else ""
    last = "last " if xid.count > 1 else ""
    return f"Xid {xid.number}{_times(xid.count)}{said}, {last}at {xid.last_at}"


def _times(count: int) -> str:
    return {1: "", 2: " twice"}.get(count, f" {counted(count, 'time')}")


def steps(xids: tuple[Xid, ...]) -> str:
    """What NVIDIA tells to do about them."""
    return ", ".join(dict.fromkeys(known(x.number).do for x in xids))


def waited(nodes: Iterator[NodeLook]) -> tuple[str | None, dict[str, str]]:
    """Since when Xids were waited for on all of `nodes`, and why that is not so, by node."""
    since, gone = [], {}
    for node in nodes:
        if isinstance(node.xids, Missing):
            gone[node.node] = node.xids.reason
        elif node.xids.ended:
            gone[node.node] = f"until {node.xids.until} only: {node.xids.ended}"
        else:
            since.append(node.xids.since)
            if node.xids.deaf:
                gone[node.node] = f"{counted(len(node.xids.deaf), 'GPU')} without events"
    return max(since, default=None), gone
