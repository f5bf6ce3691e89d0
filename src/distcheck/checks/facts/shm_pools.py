"""How many pools NCCL makes for a pod's ranks: one of each communicator that leaves the node."""

from collections import Counter
from collections.abc import Iterator

from distcheck.checks.evidence import NcclLog, Pod
from distcheck.checks.evidence.nccl import Communicator
from distcheck.checks.facts.nccl_group import hosts_of
from distcheck.checks.knowledge.shm import Pools


def leaving(log: NcclLog) -> Iterator[Communicator]:
    """Communicators whose traffic may leave the node over a network."""
    return (c for c in log.communicators if c.nodes != 1 and c.nranks > 1 and not c.mnnvl)


def pools_of(pod: Pod, log: NcclLog, ranks: int) -> Pools | None:
    """Of `ranks` ranks, by the pod's own lines; None where they show no process of it.

    A communicator without a channel has none yet, though each rank will have one. A rank of
    which no line is seen is in one at least, and in as many as any other at most.
    """
    every: Counter[int] = Counter()
    sure: Counter[int] = Counter()
    hosts = hosts_of(pod)
    used = {c.communicator for c in log.channels if c.scope == "inter_node"}
    for one in leaving(log):
        pids = {r.pid for r in one.ranks if r.host in hosts and not r.closed}
        every.update(pids)
        sure.update(pids if "" in used or one.id in used else ())
    if not every:
        return None
    rest = max(0, ranks - len(every))
    least = sorted(max(1, sure[pid]) for pid in every)[:ranks]
    most = sorted(every.values(), reverse=True)
    return Pools(sum(least) + rest, sum(most[:ranks]) + rest * most[0])
