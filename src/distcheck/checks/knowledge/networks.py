"""What NCCL's transport and network names mean.

Names: NCCL src/transport/net_ib, net_socket, p2p.cc, shm.cc, and the plugins that name
themselves (HPC-X nccl-rdma-sharp-plugins, aws-ofi-nccl, Google gIB, TCPX and TCPXO).
"""

from collections.abc import Iterable
from typing import Literal, get_args

TransportClass = Literal[
    "rdma", "socket", "gpu-direct-tcp", "nvlink", "peer-to-peer", "shared-memory", "unknown"
]

_NETWORKS: dict[str, TransportClass] = {
    "IB": "rdma",
    "gIB": "rdma",
    "SPCX": "rdma",
    "Socket": "socket",
}
_PROVIDERS: dict[str, TransportClass] = {
    "efa": "rdma",
    "cxi": "rdma",
    "verbs": "rdma",
    "opx": "rdma",
    "psm2": "rdma",
    "psm3": "rdma",
    "tcp": "socket",
    "sockets": "socket",
    "udp": "socket",
}
OFI_NETWORKS = ("AWS Libfabric", "Libfabric", "OFI")
_HPCX = ("IBext", "NCCL RDMA Plugin")
_DEVICE_TCP = ("FasTrak", "GPUDirectTCPX")


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
    if name.startswith(_HPCX):
        return "rdma"
    if name.startswith(_DEVICE_TCP):
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


Kind = Literal[
    "rdma",
    "rdma-no-gdr",
    "gpu-direct-tcp",
    "socket",
    "mnnvl",
    "peer-to-peer",
    "shared-memory",
    "other",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_KINDS: dict[TransportClass, Kind] = {
    "socket": "socket",
    "gpu-direct-tcp": "gpu-direct-tcp",
    "nvlink": "mnnvl",
    "peer-to-peer": "peer-to-peer",
    "shared-memory": "shared-memory",
}


def kind_of(transport: str, providers: Iterable[str] = ()) -> Kind:
    """Its class in one word of a closed set, RDMA with and without GPUDirect apart."""
    known = class_of(transport, providers)
    if known == "rdma":
        return "rdma" if is_gdr(transport) else "rdma-no-gdr"
    return _KINDS.get(known, "other")
