"""The lines of NCCL's logs that verdicts rest on, put into words."""

from collections.abc import Iterable

from distcheck.checks.evidence import Cite, NcclLog
from distcheck.checks.evidence.nccl import Channels, Communicator, Failure, SeenRank
from distcheck.checks.knowledge.communicators import world_of

_CITED = 6


def rank_cite(rank: SeenRank, one: Communicator) -> Cite:
    """The line by which a rank says how far it is."""
    what = f"rank {rank.rank} of {one.nranks} {rank.state} on {rank.host} (pid {rank.pid})"
    return Cite(what, rank.source, rank.stamp)


def failure_cite(failure: Failure) -> Cite:
    """The line in which a failure is put into words."""
    return Cite(failure.says, failure.source, failure.stamp)


def channel_cites(channels: Iterable[Channels]) -> tuple[Cite, ...]:
    """One line for each host, direction and transport."""
    first: dict[tuple[str, str, str], Channels] = {}
    for one in channels:
        first.setdefault((one.host, one.direction, one.transport), one)
    found = [Cite(f"{c.host}: {c.direction} via {c.transport}", c.source) for c in first.values()]
    return tuple(found[:_CITED])


def network_cites(log: NcclLog) -> tuple[Cite, ...]:
    """One line for each network that a process chose."""
    named = (p for p in log.processes if p.network)
    first = {p.network: p for p in named}
    return tuple(Cite(f"Using network {n} on {p.host}", p.source) for n, p in first.items())


def world_cites(log: NcclLog) -> tuple[Cite, ...]:
    """A rank of the largest communicator; nothing where there is none."""
    world = world_of(log.communicators)
    return () if world is None else tuple(rank_cite(r, world) for r in world.ranks[:1])
