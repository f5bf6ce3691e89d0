"""What of the parallelism crosses nodes, and what their links carry for each GPU."""

from typing import Literal, Self

from distcheck.checks.evidence import Cite, Evidence, Missing
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.rdma_state import PodRdma, RdmaStates
from distcheck.checks.facts.rdma_use import RdmaUse
from distcheck.checks.facts.wanted_world import WantedWorld
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.plan_fabric import Fabric
from distcheck.checks.knowledge.rdma import is_efa

Crossing = Literal["tp", "experts", "pp", "copies"]
"""What leaves a node most often: in each layer, in each of experts, once a stage, never."""


class Interconnect(Fact, frozen=True, kw_only=True):
    """The group's network beside what has to cross it.

    `per_node` are the GPUs of its smallest pod. `fabric` is the least that a node has for each
    GPU; where ranks use sockets its rate is 0, as the pods' interfaces do not tell a true one.
    """

    crossing: Crossing
    wanted: str
    tp: int
    pp: int
    per_node: int
    fabric: Fabric | Missing
    sockets: bool = False
    cites: tuple[Cite, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From what is asked for, the links that NCCL may use, and the network that it does use."""
        wanted, states = folded(WantedWorld, evidence), folded(RdmaStates, evidence)
        if isinstance(wanted, Missing):
            return wanted
        if isinstance(states, Missing):
            return states
        use = folded(RdmaUse, evidence)
        sockets = isinstance(use, RdmaUse) and use.sockets
        gpus = {p.name: p.gpus for p in evidence.pods if p.gpus}
        found = Missing("ranks use sockets") if sockets else _fabric(states, gpus)
        cites = [wanted.cite, *(_cite(p, gpus[p.pod]) for p in states.pods if p.active)]
        return cls(
            crossing=_crossing(wanted, min(gpus.values()), ep=bool(evidence.intent.ep)),
            wanted=str(wanted),
            tp=wanted.tp,
            pp=wanted.pp,
            per_node=min(gpus.values()),
            fabric=found,
            sockets=sockets,
            cites=(*cites, *(use.cites if sockets and isinstance(use, RdmaUse) else ())),
        )


def _crossing(wanted: WantedWorld, per_node: int, *, ep: bool) -> Crossing:
    if wanted.tp > per_node:
        return "tp"
    shared = (wanted.mixture or ep) and wanted.dp > 1
    if shared and wanted.tp * wanted.dp > per_node:
        return "experts"
    return "pp" if wanted.pp > 1 and wanted.size > per_node else "copies"


def _fabric(states: RdmaStates, gpus: dict[str, int]) -> Fabric | Missing:
    """Of the node with the least for each GPU."""
    found = [(_rate(p), p) for p in states.pods]
    unread = [p.pod for rate, p in found if rate is None]
    told = next((p for p in states.pods if p.refuses), None)
    if told is not None and told.refuses is not None:
        setting = f"{told.refuses.name}={told.refuses.value}"
        return Missing(
            f"{setting} tells NCCL on {told.pod} to use sockets, of no rate that is seen"
        )
    if unread:
        reason = states.pods[0].unseen or ("no link that NCCL may use was seen to be up",)
        return Missing(f"what the links of {unread[0]} carry is not seen: {reason[0]}")
    rate, least = min(((rate or 0.0) / gpus[p.pod], p.pod) for rate, p in found)
    pod = next(p for p in states.pods if p.pod == least)
    return Fabric(max(1, round(rate)), _kind(pod))


def _rate(pod: PodRdma) -> float | None:
    """Gb/s of all links that NCCL may use; None where one is not told, or it may use none."""
    if pod.refuses:
        return None
    rates = [p.rate_gbps for p in pod.active]
    known = [r for r in rates if r is not None]
    return sum(known) if known and len(known) == len(rates) else None


def _kind(pod: PodRdma) -> str:
    first = pod.active[0]
    if is_efa(first):
        return "efa"
    return {"InfiniBand": "ib", "Ethernet": "roce"}.get(first.link_layer or "", "")


def _cite(pod: PodRdma, gpus: int) -> Cite:
    rate = _rate(pod)
    total = "" if rate is None else f", {rate:g} Gb/s in all"
    what = f"{counted(len(pod.active), 'active link')} on {pod.node}{total}, for {gpus} GPUs"
    return Cite(what, pod.devices_cite.source, pod.devices_cite.seen_at)
