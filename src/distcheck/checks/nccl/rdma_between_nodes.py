"""NCCL002."""

from collections.abc import Iterable

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.nccl import Channels
from distcheck.checks.facts.nccl import Transports, rank_cite
from distcheck.checks.knowledge import transport_causes, transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned

_CITED = 6
_WHY = {
    "no-ib-device": "NCCL found no RDMA device",
    "env-NCCL_IB_HCA-filter-or-no-device": "no RDMA device is left after NCCL_IB_HCA",
    "env-NCCL_IB_DISABLE": "NCCL_IB_DISABLE=1 switches RDMA off",
    "env-NCCL_NET": "NCCL_NET asks for sockets",
    "libibverbs-missing": "the image has no libibverbs",
    "ib-open-device": "an RDMA device is there and cannot be opened",
    "ib-no-ip": "no IP interface belongs to the RDMA device",
    "efa-plugin-init-failed-no-provider": "libfabric offers no EFA provider",
    "plugin-unsupported": "the network plugin does not fit this NCCL",
}


@check("NCCL002")
def rdma_between_nodes(nccl: Transports) -> Verdict:
    """Ranks on different nodes talk over RDMA, not over sockets.

    Proves:
        Every channel between nodes that the logs show was set up over an RDMA network
        (InfiniBand, RoCE, EFA, Slingshot) or over multi-node NVLink, and initialisation
        went past that step. It does not prove bandwidth, nor that the NIC reads GPU memory
        itself (NCCL003).

    Causes:
        no-ib-device: NCCL found no RDMA device: none in the container, its port is down, or
            NCCL_IB_HCA filters it away
        env-NCCL_IB_HCA-filter-or-no-device: NCCL_IB_HCA is set and no device matches, or
            there is none
        env-NCCL_IB_DISABLE: NCCL_IB_DISABLE=1 is set
        env-NCCL_NET: NCCL_NET=Socket is set
        libibverbs-missing: the container image has no libibverbs
        ib-open-device: the kernel lists RDMA devices that the container may not open
        ib-no-ip: the RDMA device has no IP interface for its bootstrap
        efa-plugin-init-failed-no-provider: aws-ofi-nccl found no EFA device
        plugin-unsupported: the network plugin is too old or too new for this NCCL
        gpu-direct-tcp: the network is GPU-direct TCP, which is not RDMA

    Remedy:
        Give the pod its RDMA device: a resource such as rdma/hca or vpc.amazonaws.com/efa in
        its limits, IPC_LOCK among its capabilities, and a second network where the cluster
        uses one. Take NCCL_IB_DISABLE and NCCL_NET=Socket out of its environment, and let
        NCCL_IB_HCA name devices that `ibv_devinfo` lists in the container.
    """
    if nccl.sockets:
        return _socket(nccl)
    if not nccl.channels:
        return _no_way_out(nccl)
    return _JUDGES[nccl.verdict](nccl)


def _no_way_out(nccl: Transports) -> Verdict:
    """No channel leaves a node: none has to, or it is not seen yet."""
    if not nccl.elsewhere and len(nccl.nodes) == 1:
        return _one_node(nccl, f"all pods are on one node, {nccl.nodes[0]}")
    if nccl.copies_apart:
        return _one_node(nccl, "each copy of the model has all its ranks on one node")
    return _JUDGES[nccl.verdict](nccl)


def _one_node(nccl: Transports, says: str) -> Verdict:
    cites = _world(nccl)
    return skipped(says, cites) if cites else unknown(says)


def _socket(nccl: Transports) -> Verdict:
    cause = transport_causes.socket_fallback_cause(nccl.log)
    why = f" because {_WHY[cause]}" if cause in _WHY else ""
    every = len(nccl.sockets) == len(nccl.channels)
    who = "ranks on different nodes talk" if every else f"{_ranks(nccl.sockets)} talk"
    lines = transport_causes.cause_lines(nccl.log, cause)
    cites = (*_cites(nccl.sockets), *(Cite(words, source) for words, source in lines[:3]))
    hosts = sorted({c.host for c in nccl.sockets})
    return failed(f"{who} over TCP sockets{why}", cause, cites, hosts)


def _ranks(channels: Iterable[Channels]) -> str:
    """`rank 3 on a, rank 4 on b`: who uses these channels."""
    pairs = {(own, c.host) for c in channels for own, _ in c.peers}
    named = [f"rank {rank} on {host}" for rank, host in sorted(pairs)]
    rest = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return f"{', '.join(named[:4])}{rest}"


def _rdma(nccl: Transports) -> Verdict:
    if not nccl.connected:
        return unknown("RDMA was chosen; no rank is connected yet", _cites(nccl.channels))
    failure = transports.root_failure(nccl.log.failures)
    if failure is not None:
        says = f"RDMA was chosen, then NCCL failed: {failure.says}"
        return unknown(says, (*_cites(nccl.channels), Cite(failure.says, failure.source)))
    if nccl.on_sockets:
        hosts = ", ".join(nccl.on_sockets)
        says = f"processes on {hosts} chose sockets; the channels that were seen use RDMA"
        return unknown(says, _chosen(nccl))
    used = ", ".join(transports.transports(nccl.channels, "inter_node"))
    lines = sum(c.count for c in nccl.channels)
    gdr = " without GPUDirect RDMA on all channels (see NCCL003)"
    note = gdr if nccl.verdict == "rdma-no-gdr" else ""
    says = f"{lines} channels between nodes use {used}{note}"
    return passed(says, _cites(nccl.channels), sorted({c.host for c in nccl.channels}))


def _single(nccl: Transports) -> Verdict:
    why = "; ".join(nccl.elsewhere) or "no pod has a node yet"
    return unknown(f"no communicator that was seen leaves its node; {why}", _world(nccl))


def _inconclusive(nccl: Transports) -> Verdict:
    used = {c.transport for c in nccl.channels}
    if any(transports.class_of(t) == "gpu-direct-tcp" for t in used):
        says = f"channels between nodes use {', '.join(sorted(used))}: GPU-direct TCP, not RDMA"
        return warned(says, "gpu-direct-tcp", _cites(nccl.channels))
    if used:
        says = f"nothing says whether {', '.join(sorted(used))} is RDMA"
        return unknown(says, _cites(nccl.channels))
    if not nccl.log.info:
        return unknown("only NCCL warnings are logged; set NCCL_DEBUG=INFO to see transports")
    return unknown(_no_channels(nccl), _chosen(nccl))


def _no_channels(nccl: Transports) -> str:
    name = transports.network(nccl.log)
    chosen = f"NCCL chose {name}" if name else "no network is named"
    if any(c.complete for c in nccl.log.communicators):
        return f"{chosen}; no channel line yet: NCCL connects at the first collective"
    return f"{chosen}; no channel between nodes is set up yet"


def _chosen(nccl: Transports) -> tuple[Cite, ...]:
    named = (p for p in nccl.log.processes if p.network)
    first = {p.network: p for p in named}
    return tuple(Cite(f"Using network {n} on {p.host}", p.source) for n, p in first.items())


def _cites(channels: Iterable[Channels]) -> tuple[Cite, ...]:
    """One line for each host, direction and transport."""
    first: dict[tuple[str, str, str], Channels] = {}
    for one in channels:
        first.setdefault((one.host, one.direction, one.transport), one)
    found = [Cite(f"{c.host}: {c.direction} via {c.transport}", c.source) for c in first.values()]
    return tuple(found[:_CITED])


def _world(nccl: Transports) -> tuple[Cite, ...]:
    world = world_of(nccl.log.communicators)
    return () if world is None else tuple(rank_cite(r, world) for r in world.ranks[:1])


_JUDGES = {
    "socket": _socket,
    "rdma": _rdma,
    "rdma-no-gdr": _rdma,
    "mnnvl": _rdma,
    "single-node": _single,
    "inconclusive": _inconclusive,
}
