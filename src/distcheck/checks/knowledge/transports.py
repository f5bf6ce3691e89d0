"""What NCCL's transport names mean, and what one log proves about its transports.

Names: NCCL src/transport/net_ib, net_socket, p2p.cc, shm.cc, and the plugins that name
themselves (HPC-X nccl-rdma-sharp-plugins, aws-ofi-nccl, Google gIB, TCPX and TCPXO).
"""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from distcheck.checks.evidence.nccl import Channels, Communicator, Failure, NcclLog
from distcheck.checks.knowledge.communicators import world_of

TransportClass = Literal[
    "rdma", "socket", "gpu-direct-tcp", "nvlink", "peer-to-peer", "shared-memory", "unknown"
]
TransportVerdict = Literal["rdma", "rdma-no-gdr", "socket", "mnnvl", "single-node", "inconclusive"]
Verdict = Literal["rdma", "rdma-no-gdr", "socket", "mnnvl", "single-node", "failed", "inconclusive"]

_NETWORKS: dict[str, TransportClass] = {
    "IB": "rdma",
    "gIB": "rdma",
    "SPCX": "rdma",
    "Socket": "socket",
    "FasTrak": "gpu-direct-tcp",
}
_PROVIDERS: dict[str, TransportClass] = {
    "efa": "rdma",
    "cxi": "rdma",
    "verbs": "rdma",
    "tcp": "socket",
    "sockets": "socket",
    "udp": "socket",
}
OFI_NETWORKS = ("AWS Libfabric", "Libfabric", "OFI")


def class_of_network(
    name: str, providers: Iterable[str] = (), *, gdr: bool = False
) -> TransportClass:
    """The class of a network by the name that NCCL prints.

    For aws-ofi-nccl the libfabric provider decides. `gdr` says that channels of it carry
    `/GDRDMA`: a plugin of an unknown name that reads GPU memory itself is no socket.
    """
    if name in OFI_NETWORKS:
        found = {_PROVIDERS.get(p.split(";")[0], "unknown") for p in providers}
        return "socket" if "socket" in found else "rdma" if "rdma" in found or gdr else "unknown"
    if name.startswith("IBext"):
        return "rdma"
    if name.startswith("GPUDirectTCPX"):
        return "gpu-direct-tcp"
    return _NETWORKS.get(name, "rdma" if gdr else "unknown")


def network_of(transport: str) -> str | None:
    """`IB` of `NET/IB/GDRDMA`; None for a transport that is no network."""
    parts = transport.split("/")
    return parts[1] if parts[0] in ("NET", "COLLNET") and len(parts) > 1 else None


def is_gdr(transport: str) -> bool:
    """Whether the NIC reads and writes GPU memory itself on this transport."""
    return "/GDRDMA" in transport


def class_of(transport: str, providers: Iterable[str] = ()) -> TransportClass:
    """The class of a transport as a channel line names it."""
    name = network_of(transport)
    if name is not None:
        return class_of_network(name, providers, gdr=is_gdr(transport))
    if transport.startswith("P2P/MNNVL"):
        return "nvlink"
    if transport.startswith("P2P/"):
        return "peer-to-peer"
    return "shared-memory" if "shared memory" in transport or "SHM" in transport else "unknown"


def providers_of(log: NcclLog) -> tuple[str, ...]:
    """The libfabric providers that this log names."""
    return tuple(dict.fromkeys(p.provider for p in log.processes if p.provider))


def network(log: NcclLog) -> str | None:
    """The name after `Using network`; of several, the one that most processes chose."""
    named = Counter(p.network for p in log.processes if p.network)
    return min(named, key=lambda n: (-named[n], n), default=None)


def collnet_failed(log: NcclLog) -> bool:
    """The log says itself that CollNet (SHARP) could not be used."""
    return any(f.id == "sharp" for f in log.failures)


def inter_node(log: NcclLog) -> tuple[Channels, ...]:
    """Channels that leave the node; CollNet's only where it did not fail."""
    skip = collnet_failed(log)
    found = (c for c in log.channels if c.scope == "inter_node")
    return tuple(c for c in found if not (skip and c.transport.startswith("COLLNET/")))


def net_channels(log: NcclLog) -> tuple[Channels, ...]:
    """Channels over a network, point to point: what a verdict on RDMA rests on."""
    return tuple(c for c in log.channels if c.transport.startswith("NET/"))


def transports(channels: Iterable[Channels], scope: str) -> tuple[str, ...]:
    """Distinct transports of one scope, sorted."""
    return tuple(sorted({c.transport for c in channels if c.scope == scope}))


def gdrdma(log: NcclLog) -> bool | None:
    """Every network channel uses GPUDirect RDMA; None where there is no network channel."""
    found = net_channels(log)
    return all(is_gdr(c.transport) for c in found) if found else None


def transport_verdict(log: NcclLog) -> TransportVerdict:
    """What the channel lines prove, whatever else failed. The worst network decides."""
    found = net_channels(log)
    if found:
        return _of_networks(found, providers_of(log))
    leaving = {c.transport for c in log.channels if c.scope == "inter_node"}
    if leaving:
        nvlink = all(class_of(t) == "nvlink" for t in leaving)
        return "mnnvl" if nvlink else "inconclusive"
    world = world_of(log.communicators)
    return "single-node" if world is not None and one_node(world) else "inconclusive"


def _of_networks(found: Iterable[Channels], providers: tuple[str, ...]) -> TransportVerdict:
    used = {c.transport for c in found}
    classes = {class_of(t, providers) for t in used}
    if "socket" in classes:
        return "socket"
    if classes != {"rdma"}:
        return "inconclusive"
    return "rdma" if all(is_gdr(t) for t in used) else "rdma-no-gdr"


def one_node(one: Communicator) -> bool:
    """All ranks are on one node, as NCCL counts nodes or as every rank's host shows."""
    if one.nodes is not None:
        return one.nodes == 1 and len(one.hosts) <= 1
    return len(one.ranks) == one.nranks and len(one.hosts) == 1


def never_initialised(log: NcclLog) -> bool:
    """Some rank started, none completed, and nothing later shows that it did."""
    world = world_of(log.communicators)
    begun = world is not None or any(p.network for p in log.processes)
    later = any(p.rings or p.trees for p in log.processes)
    return begun and init_complete_ranks(log) == 0 and not later


def init_complete_ranks(log: NcclLog) -> int | None:
    """Ranks of the largest communicator seen complete.

    0 where NCCL started and nothing completed; None where the log cannot show it: no INFO
    lines, or the end of a communicator without the line that completed it.
    """
    world = world_of(log.communicators)
    if world is None:
        return 0 if any(p.start_seen or p.network for p in log.processes) else None
    if not world.complete and any(r.closed for r in world.ranks):
        return None
    return len(world.complete)


def half_initialised(log: NcclLog) -> bool:
    """Ranks of the largest communicator are seen to start and not to complete.

    Never where Ray folded lines: the missing ones may be among those.
    """
    world = world_of(log.communicators)
    if world is None or log.folded or not world.complete:
        return False
    return any(r.state == "started" and not r.closed for r in world.ranks)


def verdict(log: NcclLog) -> Verdict:
    """What this log proves: failed, or the transport, or that it proves nothing."""
    if any(f.fatal for f in log.failures) or never_initialised(log):
        return "failed"
    return "inconclusive" if half_initialised(log) else transport_verdict(log)


def root_failure(failures: Iterable[Failure]) -> Failure | None:
    """The fatal failure to look at first: no symptom if there is a cause, the earliest."""
    fatal = [f for f in failures if f.fatal]
    return min(fatal, key=lambda f: (f.symptom, f.stamp or "", f.line), default=None)
