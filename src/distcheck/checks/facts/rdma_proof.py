"""What proves that ranks of different nodes talk over RDMA, and what speaks against it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from distcheck.checks.evidence import Evidence, Missing, Processes
from distcheck.checks.facts.rank_links import Link
from distcheck.checks.facts.rank_network import RankNetwork
from distcheck.checks.facts.rank_tcp import WORKING

_DWARFED = 8
_SPOKEN = 1 << 20
"""Bytes between two looks that ranks do not say to each other while nothing works."""
_CACHE_FLAGS = ("--kv-transfer-config", "--disaggregation-mode")


def fewest(evidence: Evidence) -> int:
    """RDMA connections that each node has at least, where NCCL works over RDMA.

    A ring comes in and goes out: two. Each tensor-parallel rank sends its part to the next
    pipeline stage: as many as there are. One where the layout is not known.
    """
    intent, most = evidence.intent, max((p.gpus for p in evidence.pods), default=0)
    tp, pp = intent.tp or 1, intent.pp or 1
    if tp > most:
        return 2
    return tp if tp * pp > most else 1


def all_linked(pods: Sequence[RankNetwork], between: Sequence[Link], least: int) -> bool:
    """Whether RDMA connections between ranks join all pods, and no rank lacks an HCA.

    Each node needs `least` of them, and no rank may be one that is not seen to hold an HCA.
    """
    if not all(p.reaches_hca for p in pods) or not _enough(pods, between, least):
        return False
    near: defaultdict[str, list[str]] = defaultdict(list)
    for link in between:
        if link.queue_pairs:
            near[link.one].append(link.other)
            near[link.other].append(link.one)
    joined, waiting = {pods[0].pod.name}, [pods[0].pod.name]
    while waiting:
        found = set(near[waiting.pop()]) - joined
        joined |= found
        waiting += found
    return joined >= {p.pod.name for p in pods}


def _enough(pods: Sequence[RankNetwork], between: Sequence[Link], least: int) -> bool:
    home = {p.pod.name: p.pod.node for p in pods}
    held: Counter[str | None] = Counter()
    for link in between:
        held[home[link.one]] += link.queue_pairs
        held[home[link.other]] += link.queue_pairs
    return all(held[node] >= least for node in home.values())


def work_without_peers(
    evidence: Evidence, pods: Sequence[RankNetwork], between: Sequence[Link]
) -> bool:
    """Whether ranks on EFA, whose queue pairs name no peers, moved much more over it than TCP.

    Not where an engine sends caches to another group: those use the same HCAs.
    """
    if not all(p.on_efa and (p.grown_over_hcas() or 0) >= WORKING for p in pods):
        return False
    if any(b.tcp.grown is None for b in between) or _sends_caches(evidence):
        return False
    return not any(b.tcp.is_bulk for b in between) or dwarfed(pods, between)


def _sends_caches(evidence: Evidence) -> bool:
    """Whether some command line asks for it, or some pod's were not seen."""
    looks = [evidence.look(p).processes for p in evidence.pods]
    words = (w for s in looks if isinstance(s, Processes) for p in s.processes for w in p.argv)
    asked = any(w.partition("=")[0].replace("_", "-") in _CACHE_FLAGS for w in words)
    return asked or any(isinstance(s, Missing) for s in looks)


def dwarfed(pods: Sequence[RankNetwork], between: Sequence[Link]) -> bool:
    """Whether TCP rests and HCAs sent many times what it carried since the look before.

    For every pod; TCP that works beside them is not explained by anything that HCAs send.
    """
    if any(b.tcp.grown is None or b.tcp.grown >= WORKING for b in between):
        return False
    pairs = zip(pods, _grown(pods, between), strict=True)
    return all((p.grown_over_hcas() or 0) >= max(WORKING, _DWARFED * g) for p, g in pairs)


def outgrown(pods: Sequence[RankNetwork], between: Sequence[Link]) -> tuple[str, ...]:
    """Pods whose ranks moved more over TCP since the look before than their HCAs sent."""
    return tuple(
        one.pod.name
        for one, grown in zip(pods, _grown(pods, between), strict=True)
        if grown >= _SPOKEN and (sent := one.grown_over_hcas()) is not None and grown > sent
    )


def _grown(pods: Sequence[RankNetwork], between: Sequence[Link]) -> Iterator[int]:
    found: Counter[str] = Counter()
    for link in between:
        found[link.one] += link.tcp.grown or 0
        found[link.other] += link.tcp.grown or 0
    yield from (found[p.pod.name] for p in pods)
