"""NCCL002."""

from collections.abc import Iterable

from distcheck.checks.cause_tables import with_causes
from distcheck.checks.check import check
from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.nccl import Channels
from distcheck.checks.facts.nccl_cites import (
    channel_cites,
    failure_cite,
    network_cites,
    world_cites,
)
from distcheck.checks.facts.nccl_sockets import sockets_because
from distcheck.checks.facts.nccl_transports import Transports
from distcheck.checks.facts.rdma_state import RdmaStates
from distcheck.checks.facts.small_group import SmallGroup
from distcheck.checks.facts.traffic import Traffic
from distcheck.checks.kernel_verdict import with_kernel
from distcheck.checks.knowledge import networks, transports
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.names import few
from distcheck.checks.knowledge.nccl_failures import beside
from distcheck.checks.knowledge.transport_remedies import NO_DEVICE, SOCKETS
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned
from distcheck.checks.without_log import without_log


@check("NCCL002")
@with_causes(sockets=SOCKETS)
def rdma_between_nodes(traffic: Traffic, small: SmallGroup, rdma: RdmaStates | Missing) -> Verdict:
    """Ranks on different nodes talk over RDMA, not over sockets.

    Proves:
        Every channel between nodes that the logs show was set up over an RDMA network
        (InfiniBand, RoCE, EFA, Slingshot) or over multi-node NVLink, and initialisation
        went past that step. Nodes are Kubernetes nodes: traffic between two pods of one node
        is NCCL005's. It does not prove bandwidth, nor that the NIC reads GPU memory
        itself (NCCL003).

        Where no log tells, the kernels of the nodes may: queue pairs of ranks on every node
        that are each other's peers, beside TCP that carried no more than setting up takes.
        Then it proves that ranks on all nodes are connected over RDMA, and that nothing that was
        seen (a log, a setting, traffic) has NCCL on TCP; not that the connections are NCCL's own.

    Causes:
        {sockets}
        sockets-without-log: TCP carried the data and no HCA is open; no log says why
        gpu-direct-tcp: the network is GPU-direct TCP, which is not RDMA

    Remedy:
        Give the pod its RDMA device: a resource such as rdma/hca or vpc.amazonaws.com/efa in
        its limits, IPC_LOCK among its capabilities, and a second network where the cluster
        uses one. Take NCCL_IB_DISABLE and NCCL_NET=Socket out of its environment, and let
        NCCL_IB_HCA name devices that `ibv_devinfo` lists in the container.
    """
    return with_kernel(_by_log(traffic.nccl, small, rdma), traffic, rdma)


def _by_log(nccl: Transports | Missing, small: SmallGroup, rdma: RdmaStates | Missing) -> Verdict:
    if isinstance(nccl, Missing):
        return without_log(nccl, small.no_other_node, small.lone or small.one_pod)
    if nccl.sockets:
        return _socket(nccl, rdma)
    if not nccl.channels:
        return _no_way_out(nccl, small)
    return _JUDGES[nccl.verdict](nccl)


def _no_way_out(nccl: Transports, small: SmallGroup) -> Verdict:
    """No channel leaves a node: none has to, or it is not seen yet."""
    if nccl.one_node is None:
        return _JUDGES[nccl.verdict](nccl)
    cites = world_cites(nccl.log) or small.one_pod
    return skipped(nccl.one_node, cites) if cites else unknown(nccl.one_node)


def _socket(nccl: Transports, rdma: RdmaStates | Missing) -> Verdict:
    every = len(nccl.sockets) == len(nccl.channels)
    who = "ranks on different nodes talk" if every else f"{_ranks(nccl.sockets)} talk"
    hosts = sorted({c.host for c in nccl.sockets})
    why = sockets_because(nccl.log, hosts)
    shown, state = _nodes_state(rdma, why.cause, hosts)
    because = f" because {shown}" if shown else why.says
    cites = (*channel_cites(nccl.sockets), *why.cites, *state)
    remedy = "Do what RDMA001 says." if shown else why.remedy
    return failed(f"{who} over TCP sockets{because}", why.cause, cites, hosts, remedy)


def _nodes_state(
    rdma: RdmaStates | Missing, cause: str | None, hosts: list[str]
) -> tuple[str, tuple[Cite, ...]]:
    """What the nodes show beside a log that finds no device, or says nothing."""
    if isinstance(rdma, Missing) or cause not in (None, *NO_DEVICE):
        return "", ()
    return rdma.why_sockets(hosts)


def _ranks(channels: Iterable[Channels]) -> str:
    """`rank 3 on a, rank 4 on b`: who uses these channels."""
    pairs = {(own, c.host) for c in channels for own, _ in c.peers}
    named = [f"rank {rank} on {host}" for rank, host in sorted(pairs)]
    rest = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return f"{', '.join(named[:4])}{rest}"


def _rdma(nccl: Transports) -> Verdict:
    if nccl.unproven is not None:
        says = f"RDMA was chosen; {nccl.unproven}"
        return unknown(says, (*channel_cites(nccl.channels), *_failure(nccl)))
    if nccl.on_sockets:
        hosts = few(nccl.on_sockets)
        says = f"processes on {hosts} chose sockets; the channels that were seen use RDMA"
        return unknown(says, network_cites(nccl.log))
    lines = sum(c.count for c in nccl.channels)
    uses = "use" if lines != 1 else "uses"
    says = f"{counted(lines, 'channel')} between nodes {uses} {_used(nccl)}"
    return passed(says, channel_cites(nccl.channels), sorted({c.host for c in nccl.channels}))


def _used(nccl: Transports) -> str:
    """The transports; where GPUDirect RDMA is not on all of them, on how many it is."""
    every = transports.transports(nccl.channels, "inter_node")
    if nccl.verdict != "rdma-no-gdr":
        return ", ".join(every)
    if not any(map(networks.is_gdr, every)):
        return f"{', '.join(every)}; none of them has GPUDirect (NCCL003)"
    kinds = dict.fromkeys(transport.partition("/GDRDMA")[0] for transport in every)
    return f"{', '.join(kinds)}; GPUDirect on a part of them only (NCCL003)"


def _failure(nccl: Transports) -> tuple[Cite, ...]:
    """The failure's line, and those beside it that explain it."""
    if nccl.failure is None:
        return ()
    found = beside(nccl.failure, nccl.log.failures, nccl.log.marks, apart=True)
    return failure_cite(nccl.failure), *(Cite(f"{b.host}: {b.says}", b.source) for b in found)


def _single(nccl: Transports) -> Verdict:
    why = "; ".join(nccl.elsewhere) or "no pod has a node yet"
    return unknown(f"no communicator that was seen leaves its node; {why}", world_cites(nccl.log))


def _inconclusive(nccl: Transports) -> Verdict:
    used = {c.transport for c in nccl.channels}
    if any(networks.class_of(t) == "gpu-direct-tcp" for t in used):
        says = f"channels between nodes use {', '.join(sorted(used))}: GPU-direct TCP, not RDMA"
        return warned(says, "gpu-direct-tcp", channel_cites(nccl.channels))
    if used:
        says = f"nothing says whether {', '.join(sorted(used))} is RDMA"
        return unknown(says, channel_cites(nccl.channels))
    if not nccl.log.info:
        return unknown("only NCCL warnings are logged; set NCCL_DEBUG=INFO to see transports")
    return unknown(_no_channels(nccl), network_cites(nccl.log))


def _no_channels(nccl: Transports) -> str:
    name = transports.network(nccl.log)
    chosen = f"NCCL chose {name}" if name else "no network is named"
    if any(c.complete for c in nccl.log.communicators):
        return f"{chosen}; no channel line yet: NCCL connects at the first collective"
    return f"{chosen}; no channel between nodes is set up yet"


_JUDGES = {
    "socket": _inconclusive,
    "rdma": _rdma,
    "rdma-no-gdr": _rdma,
    "mnnvl": _rdma,
    "single-node": _single,
    "inconclusive": _inconclusive,
}
