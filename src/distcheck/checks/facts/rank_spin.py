"""Ranks that keep their GPUs busy while nothing moves between their nodes.

A rank that waits in a collective spins on its GPU: NVML shows 100 %, as it does for one that works.
What tells them apart is that ranks which work on several nodes send to each other.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, GpuProcess, Gpus, Missing, NodeLook, Pod
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.evidence.gpu_health import GpuHealth
from distcheck.checks.evidence.rdma import RdmaDevices
from distcheck.checks.facts.age import seconds
from distcheck.checks.facts.fact import folded
from distcheck.checks.facts.hang_sign import Sign
from distcheck.checks.facts.hca_growth import moved_over
from distcheck.checks.facts.past_meeting import has_started
from distcheck.checks.facts.rank_links import Link, links_of
from distcheck.checks.facts.rank_network import RankNetwork, rank_networks
from distcheck.checks.facts.rank_tcp import DATA
from distcheck.checks.facts.ras_view import RasView
from distcheck.checks.facts.sharding_process import gpu_processes

BUSY = 95
_APART, _STAGES_APART, _LATELY = 10, 60, 900
"""Seconds between two looks: a stage of a pipeline may compute one long prompt for a while."""
_QUIET = 16 << 10
"""Bytes a second that keep ranks in touch: PyTorch's store is asked once a second by each."""


class _Use(Struct, frozen=True):
    """One rank's GPU: how busy it was at the least of two looks, and how far these are apart."""

    pod: str
    where: str
    percent: int
    apart: int


def spinning(evidence: Evidence) -> Iterator[Sign]:
    """One where all ranks' GPUs, or all but one, were busy in two looks and no counter moved.

    Nothing is concluded of a group whose tensor parallel ranks or stages are on one node, that
    has not said that it serves, or whose GPUs are shared or cut: there is nothing to compare.
    """
    least = _least(evidence)
    if least is None or not has_started(evidence):
        return
    uses = _uses(evidence)
    slow = [u for u in uses if u.percent < BUSY]
    if len(uses) != evidence.intent.gpus_wanted or len(slow) > 1 or _calls_go_on(evidence, least):
        return
    apart = min(u.apart for u in uses)
    still = _still(rank_networks(evidence), least)
    if still and least <= apart <= _LATELY:
        yield _sign(uses, slow, apart, still)


def _sign(uses: Sequence[_Use], slow: Sequence[_Use], apart: int, still: Sequence[Cite]) -> Sign:
    busy = f"{len(uses) - len(slow)} of {len(uses)} GPUs are at {BUSY} % or more"
    says = f"{busy} in two looks {apart} s apart, and next to nothing moved between the nodes"
    for one in slow:
        says += f"; {one.where} of {one.pod} was at {one.percent} %"
    subjects = tuple(dict.fromkeys(u.pod for u in (slow or uses)))
    return Sign("rank_spinning", says, tuple(still), subjects, sure=False)


def _least(evidence: Evidence) -> int | None:
    """Seconds in which a group that works has to move something between its nodes."""
    most = max((p.gpus for p in evidence.pods), default=0)
    intent = evidence.intent
    if not most or (intent.world_size or 0) <= most or (intent.dp or 1) > 1:
        return None
    return _APART if (intent.tp or 1) > most else _STAGES_APART


def _uses(evidence: Evidence) -> list[_Use]:
    """Each rank's GPU; none at all where one of them does not tell, or has others on it."""
    found: dict[str, _Use] = {}
    for pod in evidence.pods:
        node = None if pod.node is None else evidence.node(pod.node)
        for process in gpu_processes(evidence, pod) if node else ():
            use = _use(pod, node, process)
            if use is None:
                return []
            found[process.uuid] = use
    return list(found.values())


def _use(pod: Pod, node: NodeLook | None, process: GpuProcess) -> _Use | None:
    if node is None or not isinstance(node.gpus, Gpus) or not isinstance(node.health, GpuHealth):
        return None
    others = any(p.pod != pod.key or p.mps for p in node.gpus.processes if p.uuid == process.uuid)
    state = next((g for g in node.health.gpus if g.uuid == process.uuid), None)
    before, apart = node.health.used_before.get(process.uuid), _apart(node.health)
    if others or state is None or state.utilization is None or before is None or apart is None:
        return None
    where = f"GPU {state.index} of {pod.node}"
    return _Use(pod.name, where, min(before, state.utilization), apart)


def _still(pods: Sequence[RankNetwork], least: int) -> list[Cite]:
    """What shows that nothing moved, for every pod; none where something did, or may have."""
    links = list(links_of(pods))
    cites: list[Cite] = []
    for one in pods:
        own = [b for b in links if one.pod.name in (b.one, b.other)]
        if any((b.tcp.grown or 0) > _QUIET * _flow_seconds(pods) for b in own):
            return []
        shown = _quiet_hcas(one, least) or _quiet_tcp(one, own, least)
        if shown is None:
            return []
        cites.append(shown)
    return cites


def _flow_seconds(pods: Sequence[RankNetwork]) -> int:
    return max([1, *(a for p in pods if (a := _apart(p.flows)) is not None)])


def _quiet_hcas(one: RankNetwork, least: int) -> Cite | None:
    """The HCAs of its node, which its ranks are connected over, and which carried something."""
    hcas, apart = one.hcas, _apart(one.hcas)
    used = any(one.connected) or one.connectionless
    if not isinstance(hcas, RdmaDevices) or apart is None or apart < least or not used:
        return None
    moved = moved_over(hcas, one.devices)
    if moved is None or moved > _QUIET * apart:
        return None
    what = f"the HCAs of {one.pod.node} moved {moved} bytes in {apart} s"
    return Cite(what, hcas.source, hcas.seen_at)


def _quiet_tcp(one: RankNetwork, links: Sequence[Link], least: int) -> Cite | None:
    """Its TCP, where that has carried tensors before and no RDMA is there beside it."""
    flows, apart = one.flows, _apart(one.flows)
    bulk = [b.tcp for b in links if b.tcp.carried >= DATA and b.tcp.grown is not None]
    if not isinstance(flows, TcpFlows) or apart is None or apart < least or not bulk:
        return None
    if any(one.connected) or one.connectionless or not one.bare:
        return None
    grown = sum(b.grown or 0 for b in bulk)
    what = f"TCP between {one.pod.name} and the others moved {grown} bytes in {apart} s"
    return Cite(what, flows.source, flows.seen_at)


def _calls_go_on(evidence: Evidence, least: int) -> bool:
    """Whether NCCL's RAS counts calls since the look before: those of graphs are not counted."""
    ras = folded(RasView, evidence)
    seen = () if isinstance(ras, Missing) else ras.communicators
    for one in (c for c in seen if c.before is not None and c.seconds >= least):
        then = {r.rank: r.counts for r in one.before.ranks} if one.before else {}
        if any(r.counts != then.get(r.rank, r.counts) for r in one.now.ranks):
            return True
        if one.before is not None and one.before.spread != one.now.spread:
            return True
    return False


def _apart(seen: GpuHealth | RdmaDevices | TcpFlows | Missing) -> int | None:
    """Seconds between a look and the one before it."""
    if isinstance(seen, Missing):
        return None
    then, now = seconds(seen.before_at), seconds(seen.seen_at)
    return None if then is None or now is None else now - then
