"""Whether ranks on different nodes talk over RDMA or TCP, as the kernels of their nodes show it."""

from collections.abc import Iterator, Sequence
from typing import Literal, Self

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.rank_links import Link, links_of
from distcheck.checks.facts.rank_network import RankNetwork, rank_networks
from distcheck.checks.facts.rank_tcp import DATA, Moved
from distcheck.checks.facts.rdma_proof import (
    all_linked,
    dwarfed,
    fewest,
    outgrown,
    work_without_peers,
)
from distcheck.checks.facts.rdma_state import RdmaStates, Setting
from distcheck.checks.facts.sockets_why import Why, sockets_why

Shown = Literal["rdma", "socket", "both", "undecided"]


class KernelTraffic(Fact, frozen=True, kw_only=True):
    """The witnesses, and what they show together.

    `rdma` needs RDMA between all nodes and quiet TCP; `socket` bulk TCP between ranks that
    have to talk, where those of one end hold no HCA open, and then `why`; `both` is bulk TCP
    beside RDMA. `by_counters`: queue pairs have no peers that could be matched, and the HCAs,
    on which nobody else has any, worked between two looks. `told_sockets` tells NCCL of some
    pod to use sockets, and ranks of the pods `outgrown` moved more over TCP than their HCAs
    sent: no queue pair shows RDMA beside either. It covers all pods, or is undecided: it has
    no gaps.
    """

    shown: Shown
    pods: tuple[RankNetwork, ...]
    between: tuple[Link, ...]
    unseen: tuple[str, ...] = ()
    by_counters: bool = False
    why: Why = Why()
    told_sockets: Setting | None = None
    outgrown: tuple[str, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Missing where the group's ranks are not on several nodes, as far as is known."""
        pods = rank_networks(evidence)
        if len({p.pod.node for p in pods if p.pod.node}) < 2:
            return Missing("ranks of several nodes were not seen")
        between = tuple(links_of(pods))
        unseen = tuple(dict.fromkeys(_unseen(pods)))
        whole = evidence.intent.gpus_wanted <= sum(p.pod.gpus for p in pods)
        linked = whole and all_linked(pods, between, fewest(evidence))
        counted = whole and not linked and work_without_peers(evidence, pods, between)
        told, beaten = _told_sockets(evidence), outgrown(pods, between)
        rdma = (linked or counted) and not told and not beaten
        shown = _shown(pods, between, rdma=rdma, crosses=_crosses(evidence))
        return cls(
            shown=shown,
            pods=pods,
            between=between,
            unseen=unseen,
            by_counters=counted,
            why=sockets_why(evidence) if shown == "socket" else Why(),
            told_sockets=told,
            outgrown=beaten,
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


def _told_sockets(evidence: Evidence) -> Setting | None:
    states = folded(RdmaStates, evidence)
    pods = states.pods if isinstance(states, RdmaStates) else ()
    return next((p.refuses for p in pods if p.refuses), None)


def _shown(
    pods: Sequence[RankNetwork], between: Sequence[Link], *, rdma: bool, crosses: bool
) -> Shown:
    bulk = any(b.tcp.is_bulk for b in between)
    if rdma:
        if bulk and not dwarfed(pods, between):
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


def _unseen(pods: Sequence[RankNetwork]) -> Iterator[str]:
    for one in pods:
        if not one.ranks:
            yield f"which processes of {one.pod.name} are ranks"
        looks = (one.queue_pairs, one.flows, one.opened)
        yield from (look.reason for look in looks if isinstance(look, Missing))
        if isinstance(one.flows, TcpFlows) and one.flows.refused:
            yield one.flows.refused
