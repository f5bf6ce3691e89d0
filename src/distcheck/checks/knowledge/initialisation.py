"""How far NCCL came in one log: which ranks started, completed, and connected their channels."""

from distcheck.checks.evidence.nccl import Channels, Communicator, NcclLog
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


def half_done(log: NcclLog) -> tuple[Communicator, ...]:
    """Communicators that ranks are seen to start, and not to complete.

    None where Ray folded lines: the missing ones may be among those.
    """
    every = (c for c in log.communicators if c.lines > 1 and not log.folded)
    return tuple(c for c in every if any(r.state == "started" and not r.closed for r in c.ranks))


def half_initialised(log: NcclLog) -> bool:
    """Ranks are seen to start some communicator, and not to complete it."""
    return bool(half_done(log))


def unconnected(log: NcclLog) -> bool:
    """Some process planned channels between nodes late, and does not say that it connected them."""
    return bool(planned_only(log))


def planned_only(log: NcclLog) -> tuple[Channels, ...]:
    """Channels to other nodes, planned late by processes that say of none that it was connected.

    Late is after the communicator was complete, at a first use. Those of send and receive
    (`/Shared`) do not count: of them NCCL never says it.
    """
    connected = {(p.host, p.pid) for p in log.processes if p.rings or p.trees}
    late = (c for c in log.channels if c.late and c.transport.startswith("NET/"))
    found = (c for c in late if "/Shared" not in c.transport)
    return tuple(c for c in found if (c.host, c.pid) not in connected)
