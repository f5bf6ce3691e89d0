"""Which ranks of a communicator are complete, which only started, which unseen."""

from msgspec import Struct

from distcheck.checks.evidence.nccl import Communicator, NcclLog
from distcheck.checks.knowledge import initialisation
from distcheck.checks.knowledge.rank_ranges import Ranges, gaps, ranges


class LoggedCommunicator(Struct, frozen=True):
    """One communicator; `transports` maps each transport to its channel lines.

    `started` and `unseen` are ranges of ranks, first and last: those that the log shows to
    start and not to complete, and those that it does not show at all. `by_host` has the
    ranges that each host's processes hold.
    """

    id: str
    nranks: int
    nodes: int | None
    ranks_seen: int
    ranks_complete: int
    transports: dict[str, int]
    started: Ranges = ()
    unseen: Ranges = ()
    by_host: dict[str, Ranges] = {}


def logged_communicators(log: NcclLog) -> tuple[LoggedCommunicator, ...]:
    """Every communicator of the log."""
    used: dict[str, dict[str, int]] = {}
    for one in log.channels:
        counts = used.setdefault(one.communicator, {})
        counts[one.transport] = counts.get(one.transport, 0) + one.count
    return tuple(_logged(c, used.get(c.id, {})) for c in log.communicators)


def _logged(one: Communicator, used: dict[str, int]) -> LoggedCommunicator:
    hosts: dict[str, list[int]] = {}
    for rank in one.ranks:
        hosts.setdefault(rank.host, []).append(rank.rank)
    waiting = (r.rank for r in one.ranks if initialisation.waits(r))
    return LoggedCommunicator(
        id=one.id,
        nranks=one.nranks,
        nodes=one.nodes,
        ranks_seen=len(one.ranks),
        ranks_complete=len(one.complete),
        transports=used,
        started=ranges(waiting),
        unseen=gaps((r.rank for r in one.ranks), one.nranks),
        by_host={host: ranges(held) for host, held in sorted(hosts.items())},
    )
