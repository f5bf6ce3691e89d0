"""What one pod's NCCL lines show of the processes that run now."""

from msgspec.structs import replace

from distcheck.checks.evidence import NcclLog
from distcheck.checks.evidence.nccl import Channels, NcclProcess, SeenRank
from distcheck.checks.facts.age import last_write
from distcheck.checks.facts.sharding_process import RunningRanks


def of_now(log: NcclLog, running: RunningRanks) -> NcclLog:
    """The log without ranks and channels of processes that are gone; failures stay.

    A process that failed is gone too, and its failure may be why. A rank that is older than
    the process of its number is of an earlier one, and so is all else of that number if no
    rank of it is newer; channels go with the communicator that they name. A line without a
    time is as old as the last write of its file, or older.
    """

    def is_old(one: SeenRank | NcclProcess | Channels) -> bool:
        at = getattr(one, "stamp", None) or last_write(log.written, one.source)
        return running.is_gone(one.host, one.pid, at)

    ranks = [(c.id, r) for c in log.communicators for r in c.ranks]
    old = {(i, r.host, r.pid) for i, r in ranks if is_old(r)}
    now = {(r.host, r.pid) for i, r in ranks if (i, r.host, r.pid) not in old}
    gone = (
        {(h, p) for _, h, p in old} | {(p.host, p.pid) for p in log.processes if is_old(p)}
    ) - now
    if not old and not gone and not any(map(is_old, log.channels)):
        return log
    comms = (
        replace(c, ranks=tuple(r for r in c.ranks if (c.id, r.host, r.pid) not in old))
        for c in log.communicators
    )
    return replace(
        log,
        processes=tuple(p for p in log.processes if (p.host, p.pid) not in gone),
        communicators=tuple(c for c in comms if c.ranks),
        channels=tuple(
            c
            for c in log.channels
            if (c.host, c.pid) not in gone
            and (c.communicator, c.host, c.pid) not in old
            and not is_old(c)
        ),
    )
