"""TCP connections between pods that NCCL's bootstrap must have made, by who opened them."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, NcclLog
from distcheck.checks.evidence.nccl import Communicator, SeenRank
from distcheck.checks.facts.nccl_coverage import live
from distcheck.checks.facts.nccl_group import group_of, hosts_of
from distcheck.checks.knowledge.communicators import world_of

_ONE_ROOT = 128
"""Ranks for which one root is enough: torch asks for more of them beyond
(TORCH_NCCL_RANKS_PER_ROOT)."""

_OTHERWISE = "NCCL_OOB_NET_ENABLE"

Direction = tuple[str, str]
_KEPT = "_bootstrap"
Edge = tuple[SeenRank, SeenRank, str]


class Bootstrap(Struct, frozen=True):
    """By (source, target), keys of pods: the line that shows a connection from one to the other.

    `whole`: every rank of one communicator over all pods of the group is complete, so that
    whatever its setup has to reach was reached.
    """

    opened: dict[Direction, Cite]
    whole: bool = False


def bootstrap_of(evidence: Evidence) -> Bootstrap:
    """What ranks that are complete show; found once for each evidence.

    They went through the bootstrap's ring, in which each rank connects to the next one and the
    last one to the first; at its root, where rank 0 is, each rank called and was called back
    (NCCL's bootstrap.cc, `bootstrapInit` and `bootstrapRoot`); and the two ends of a channel
    each sent the other its half of the connection (transport.cc, `ncclTransportP2pSetup`).
    Nothing is shown where NCCL_OOB_NET_ENABLE takes the ring away from TCP.
    """
    kept = evidence.__dict__.get(_KEPT)
    if not isinstance(kept, Bootstrap):
        kept = evidence.__dict__[_KEPT] = _bootstrap(evidence)
    return kept


def _bootstrap(evidence: Evidence) -> Bootstrap:
    homes, log = _homes(evidence), group_of(evidence).log
    if any(e.name == _OTHERWISE and e.value != "0" for e in log.echoes):
        return Bootstrap({})
    every = [c for c in live(log.communicators) if not c.inferred]
    world = world_of(every)
    found: dict[Direction, Cite] = {}
    for one in every:
        ranks = {r.rank: r for r in one.complete if not r.closed}
        rooted = one is world and one.nranks <= _ONE_ROOT
        edges = (*_ring(ranks, one.nranks), *_root(ranks, rooted), *_ends(ranks, one, log))
        for a, b, how in edges:
            source, target = homes.get(a.host, ""), homes.get(b.host, "")
            if source and target and source != target:
                found.setdefault((source, target), _cite(one, a, b, how))
    pods = {p.key for p in evidence.pods}
    met = ({homes.get(r.host) for r in c.complete if not r.closed} for c in every if _closed(c))
    return Bootstrap(found, any(at >= pods for at in met))


def _closed(one: Communicator) -> bool:
    """Whether every rank of it was seen complete, and has not left it."""
    return len({r.rank for r in one.complete if not r.closed}) == one.nranks


def _homes(evidence: Evidence) -> dict[str, str]:
    """The pod of each host that NCCL prints; a host that two pods may answer for has none."""
    homes: dict[str, set[str]] = {}
    for pod in evidence.pods:
        for host in hosts_of(pod):
            homes.setdefault(host, set()).add(pod.key)
    return {host: next(iter(keys)) for host, keys in homes.items() if len(keys) == 1}


def _ring(ranks: dict[int, SeenRank], size: int) -> Iterator[Edge]:
    for number, rank in ranks.items():
        after = ranks.get((number + 1) % max(size, 1))
        if after is not None:
            yield rank, after, "NCCL's bootstrap led from the first to the second"


def _root(ranks: dict[int, SeenRank], rooted: bool) -> Iterator[Edge]:
    root = ranks.get(0) if rooted else None
    for rank in ranks.values() if root else ():
        if root and rank.host != root.host:
            yield rank, root, "the first called the root of NCCL's bootstrap"
            yield root, rank, "the root of NCCL's bootstrap called the second back"


def _ends(ranks: dict[int, SeenRank], one: Communicator, log: NcclLog) -> Iterator[Edge]:
    """Channels between nodes that were planned before the communicator was complete."""
    own = (c for c in log.channels if c.communicator == one.id and c.scope == "inter_node")
    for a, b in (pair for c in own if not c.late for pair in c.peers):
        if a in ranks and b in ranks:
            yield ranks[a], ranks[b], "to set up a channel each sent the other its half"
            yield ranks[b], ranks[a], "to set up a channel each sent the other its half"


def _cite(one: Communicator, a: SeenRank, b: SeenRank, how: str) -> Cite:
    ranks = f"rank {a.rank} on {a.host} and rank {b.rank} on {b.host}"
    return Cite(f"{ranks} completed communicator {one.id}: {how}", a.source, a.stamp)
