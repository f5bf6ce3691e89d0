"""When a second look is worth its wait: what NCCL's RAS said may be of a moment only."""

import time
from collections.abc import Iterator, Mapping

from distcheck.checks.evidence import NodeLook
from distcheck.checks.evidence.ras import RasStatus
from distcheck.checks.knowledge.ras_counts import behind, still

PAUSE = 10.0
"""Seconds between two looks at collectives: in them a busy group does thousands, and a rank that
compiles a kernel catches up."""


def unsettled(looks: Mapping[str, NodeLook]) -> tuple[str, ...]:
    """Nodes where RAS has ranks that differ, lack or start, and no look before tells more."""
    return tuple(n for n, look in looks.items() if any(map(_is_unsettled, _answers(look))))


def pause(end: float) -> None:
    """Wait before the second look; half of the time that is left till `end` at most."""
    time.sleep(max(0.0, min(PAUSE, (end - time.monotonic()) / 2)))


def _answers(look: NodeLook) -> Iterator[RasStatus]:
    return (p.ras for p in look.pods if isinstance(p.ras, RasStatus))


def _is_unsettled(one: RasStatus) -> bool:
    """A rank that lacks, or fell behind, may have done so since the look before."""
    lacks = any(r.missing and not r.dead for c in one.communicators for r in c.ranks)
    new = one.before_at is None or lacks or _fell_behind(one)
    return new and any(c.unsettled for c in one.communicators)


def _fell_behind(one: RasStatus) -> bool:
    then = {c.hash: c for c in one.before}
    pairs = ((c, then[c.hash]) for c in one.communicators if c.hash in then)
    return any(still(now, before) - behind(before) for now, before in pairs)
