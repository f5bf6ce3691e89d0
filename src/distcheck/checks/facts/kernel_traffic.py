"""Whether ranks on different nodes talk over RDMA or TCP, as the kernels of their nodes show it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, Self

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.rank_links import Link, links_of
from distcheck.checks.facts.rank_network import RankNetwork, rank_networks
from distcheck.checks.facts.rank_tcp import DATA, WORKING, Moved
from distcheck.checks.facts.small_group import gpus_wanted
from distcheck.checks.facts.sockets_why import Why, sockets_why

_DWARFED = 8
Shown = Literal["rdma", "socket", "both", "undecided"]


class KernelTraffic(Fact, frozen=True, kw_only=True):
    """The witnesses, and what they show together.

    `rdma` needs RDMA between all nodes and quiet TCP; `socket` bulk TCP between ranks that
    have to talk, where those of one end hold no HCA open, and then `why`; `both` is bulk TCP
    beside RDMA. `by_counters`: queue pairs have no peers that could be matched, and the HCAs,
    on which nobody else has any, worked between two looks. It covers all pods, or is
    undecided: it has no gaps.
    """

    shown: Shown
    pods: tuple[RankNetwork, ...]
    between: tuple[Link, ...]
    unseen: tuple[str, ...] = ()
    by_counters: bool = False
    why: Why = Why()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Missing where the group's ranks are not on several nodes, as far as is known."""
        pods = rank_networks(evidence)
        if len({p.pod.node for p in pods if p.pod.node}) < 2:
            return Missing("ranks of several nodes were not seen")
        between = tuple(links_of(pods))
        unseen = tuple(dict.fromkeys(_unseen(pods)))
        whole = gpus_wanted(evidence) <= sum(p.pod.gpus for p in pods)
        linked = whole and _all_linked(pods, between)
        counted = whole and not linked and _work_without_peers(pods, between)
        crosses = _crosses(evidence)
        shown = _shown(pods, between, rdma=linked or counted, crosses=crosses)
        return cls(
            shown=shown,
            pods=pods,
            between=between,
            unseen=unseen,
            by_counters=counted,
            why=sockets_why(evidence) if shown == "socket" else Why(),
        )

    @property
    def bulk(self) -> tuple[Link, ...]:
        """Pairs of pods whose ranks moved more over TCP than setting up takes."""
        return tuple(b for b in self.between if self.told(b).is_bulk)

    def told(self, one: Link) -> Moved:
        """What is told of its TCP: as proof of sockets only what is surely ranks'."""
        return one.sure if self.shown == "socket" else one.tcp


def _crosses(evidence: Evidence) -> bool:
    """Whether one copy of the model has to span nodes, or its copies share their experts.

    Ranks of copies that need nobody may still send each other what they have cached.
    """
    intent, most = evidence.intent, max((p.gpus for p in evidence.pods), default=0)
    return 0 < most < (intent.world_size or 0) or bool(intent.ep and (intent.dp or 1) > 1)


def _shown(
    pods: Sequence[RankNetwork], between: Sequence[Link], *, rdma: bool, crosses: bool
) -> Shown:
    bulk = any(b.tcp.is_bulk for b in between)
    if rdma:
        if bulk and not _dwarfed(pods, between):
            return "both"
        return "rdma" if _tcp_is_seen(pods, between) else "undecided"
    bare = {p.pod.name for p in pods if p.bare}
    proven = any(b.sure.is_bulk and bare & {b.one, b.other} for b in between)
    return "socket" if proven and crosses else "undecided"


def _tcp_is_seen(pods: Sequence[RankNetwork], between: Sequence[Link]) -> bool:
    """Whether what ranks set up with was seen of every pod, and little can be behind it.

    Ranks keep NCCL's bootstrap open as long as they live: who shows none was not seen whole.
    """
    met = {name for b in between if b.tcp.connections for name in (b.one, b.other)}
    return all(
        isinstance(p.flows, TcpFlows) and p.at_most_unseen < DATA and p.pod.name in met
        for p in pods
    )


def _all_linked(pods: Sequence[RankNetwork], between: Sequence[Link]) -> bool:
    """Whether RDMA connections between ranks join all pods, and no rank lacks an HCA."""
    if any(not isinstance(p.opened, Missing) and not p.holds_hca for p in pods):
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


def _work_without_peers(pods: Sequence[RankNetwork], between: Sequence[Link]) -> bool:
    """Whether ranks whose queue pairs name no peers moved much more over their HCAs than TCP."""
    if not all(p.connectionless and (p.grown_over_hcas() or 0) >= WORKING for p in pods):
        return False
    return not any(b.tcp.is_bulk for b in between) or _dwarfed(pods, between)


def _dwarfed(pods: Sequence[RankNetwork], between: Sequence[Link]) -> bool:
    """Whether HCAs sent many times what TCP carried since the look before, for every pod."""
    for one in pods:
        sent = one.grown_over_hcas() or 0
        grown = [b.tcp.grown for b in between if one.pod.name in (b.one, b.other)]
        if sent < WORKING or None in grown or _DWARFED * sum(g or 0 for g in grown) > sent:
            return False
    return True


def _unseen(pods: Sequence[RankNetwork]) -> Iterator[str]:
    for one in pods:
        if not one.ranks:
            yield f"which processes of {one.pod.name} are ranks"
        looks = (one.queue_pairs, one.flows, one.opened)
        yield from (look.reason for look in looks if isinstance(look, Missing))
        if isinstance(one.flows, TcpFlows) and one.flows.refused:
            yield one.flows.refused
