"""How far NCCL came in one log: which ranks started, completed, and connected their channels."""

from distcheck.checks.evidence.nccl import Channels, Communicator, NcclLog, NcclProcess, SeenRank
from distcheck.checks.knowledge.communicators import world_of


def never_initialised(log: NcclLog) -> bool:
    """Some rank started, none completed, and nothing later shows that it did.

    Never where Ray folded lines: those that are missing may be among them.
    """
    world = world_of(log.communicators)
    begun = world is not None or any(p.network for p in log.processes)
    later = log.folded > 0 or any(p.rings or p.trees for p in log.processes)
    return begun and init_complete_ranks(log) == 0 and not later


def init_complete_ranks(log: NcclLog) -> int | None:
    """Ranks of the largest communicator seen complete.

    0 where NCCL started and nothing completed; None where the log cannot show it: no INFO
    lines, or the end of a communicator without the line that completed it.
    """
    world = world_of(log.communicators)
    if world is None:
        return 0 if any(p.start_seen or p.network for p in log.processes) else None
    if not world.complete and any(r.closed for r in world.ranks):
        return None
    return len(world.complete)


def waits(rank: SeenRank) -> bool:
    """Whether a rank started and is not complete; one that gave up counts too."""
    return rank.state == "started" and (rank.aborted or not rank.closed)


def half_done(log: NcclLog) -> tuple[Communicator, ...]:
    """Communicators that ranks are seen to start, and not to complete.

    None where Ray folded lines: the missing ones may be among those.
    """
    every = () if log.folded else log.communicators
    return tuple(c for c in every if any(map(waits, c.ranks)))


def half_initialised(log: NcclLog) -> bool:
    """Ranks are seen to start some communicator, and not to complete it."""
    return bool(half_done(log))


_SHEARED = 4
"""One process in more than so many may have lost a line to others that write at the same time."""


def unplaced(log: NcclLog) -> tuple[NcclProcess, ...]:
    """Processes that began, and hold no rank of any communicator.

    Until 2.18 no line says that a rank starts: a process that waits for others says no more
    than which network it chose, or which channels it planned. Such processes are left out
    where the largest communicator is whole without them (an engine may have helpers), or
    where Ray folded lines. `again`: NCCL started once more, and came no further.
    """
    again = tuple(p for p in log.processes if p.again)
    world = world_of(log.communicators)
    if log.folded or (world is None and not log.channels):
        return again
    whole = world is not None and len(world.complete) == world.nranks
    placed = {(r.host, r.pid) for c in log.communicators for r in c.ranks}
    planned = {(c.host, c.pid) for c in log.channels}
    begun = [p for p in log.processes if p.start_seen and (p.host, p.pid) not in placed]
    silent = [p for p in begun if (p.host, p.pid) in planned]
    waiting = [p for p in begun if p.network and not whole and world is not None]
    late = tuple(dict.fromkeys((*_many(silent, len(planned)), *waiting)))
    return (*again, *(p for p in late if not p.again))


def without_rank(log: NcclLog) -> tuple[NcclProcess, ...]:
    """Processes that began, chose a network, and hold no rank, whatever the others do."""
    placed = {(r.host, r.pid) for c in log.communicators for r in c.ranks}
    begun = (p for p in log.processes if p.network and p.start_seen and not log.folded)
    return tuple(p for p in begun if (p.host, p.pid) not in placed)


def _many(some: list[NcclProcess], of: int) -> list[NcclProcess]:
    """`some` if they are too many to be a matter of lines that were sheared."""
    return some if len(some) * _SHEARED >= of else []


def works(log: NcclLog) -> bool:
    """Some rank is complete, or was and is gone, or some rings or trees are connected."""
    ranks = (r for c in log.communicators for r in c.ranks)
    complete = any(r.state == "complete" or (r.closed and not r.aborted) for r in ranks)
    return complete or any(p.rings or p.trees for p in log.processes)


def unconnected(log: NcclLog) -> bool:
    """Some process planned channels between nodes late, and does not say that it connected them."""
    return bool(planned_only(log))


def planned_only(log: NcclLog) -> tuple[Channels, ...]:
    """Channels to other nodes, planned late by processes that say of none that it was connected.

    Late is after the communicator was complete, at a first use. Those of send and receive
    (`/Shared`) do not count: of them NCCL never says it.
    """
    late = [c for c in log.channels if c.late and c.transport.startswith("NET/")]
    found = [c for c in late if "/Shared" not in c.transport]
    users = {(c.host, c.pid) for c in found}
    pending = [p for p in log.processes if p.pending and (p.host, p.pid) in users]
    open_ones = {(p.host, p.pid) for p in _many(pending, len(users))}
    return tuple(c for c in found if (c.host, c.pid) in open_ones)
