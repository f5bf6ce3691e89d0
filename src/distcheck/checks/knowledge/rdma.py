"""Which RDMA ports NCCL takes, and what locked memory they need.

Sources: NCCL src/transport/net_ib (ports that are not active, or of another link layer, are passed
over), src/misc/socket.cc (how a list of names is read), kernel drivers/infiniband/core/umem.c.
"""

from distcheck.checks.evidence.rdma import RdmaPort
from distcheck.checks.knowledge.settings import names_device

MIB = 1 << 20
MEMLOCK_ENOUGH = 64 * MIB
"""Bytes of locked memory below which NCCL's buffers for one peer do not fit: it registers some
10 MiB for each connection that goes through host memory, and 8 MiB is the kernel's own default."""
_LAYERS = ("InfiniBand", "Ethernet")
_EFA = "efa"


def is_efa(port: RdmaPort) -> bool:
    """Whether it is Amazon's: libfabric uses it, and not NCCL's own InfiniBand transport."""
    return port.driver == _EFA or port.device.startswith("efa_") or port.device.startswith("rdmap")


def is_usable(port: RdmaPort) -> bool:
    """Whether NCCL, or its plugin for EFA, takes such ports."""
    return is_efa(port) or port.link_layer in _LAYERS or port.link_layer is None


def names_port(spec: str, port: RdmaPort) -> bool:
    """Whether `spec` of NCCL_IB_HCA lets the port through; EFA does not read it.

    `mlx5_1:2` means one port of a device.
    """
    if is_efa(port):
        return True
    negative = spec.startswith("^")
    rest = spec[negative:]
    exact = rest.startswith("=")
    parts = (part.partition(":") for part in rest[exact:].split(",")[:64] if part)
    own = [name for name, _, number in parts if number in ("", str(port.port))]
    listed = any(names_device(f"{'=' * exact}{name}", port.device) for name in own)
    return listed is not negative


def is_named(spec: str, port: RdmaPort) -> bool:
    """Whether `spec` has this very port's whole name: a prefix (`mlx5`) asks for none of them."""
    if spec.startswith("^") or is_efa(port):
        return False
    parts = spec.removeprefix("=").split(",")[:64]
    return port.device in parts or port.name in parts


def routable(port: RdmaPort) -> bool | None:
    """Whether it has a GID of RoCE v2, which routers and NCCL's choice need; None: not its kind."""
    if port.link_layer != "Ethernet" or not port.gids:
        return None
    return any("v2" in kind for kind in port.gids.values())


REMEDIES = {
    "no_rdma_device": (
        "Give the container its RDMA device: a resource such as rdma/hca_shared_devices_a or"
        " vpc.amazonaws.com/efa in its limits, and a second network where the cluster uses one."
    ),
    "memlock": (
        "Add IPC_LOCK to the container's capabilities (securityContext.capabilities.add). For a"
        " user other than root that has no effect: let the container runtime's service have"
        " LimitMEMLOCK=infinity."
    ),
    "link_down": (
        "Look at the link on its node with `ibstat` or `ibv_devinfo -v`: cable, switch port, and"
        " for InfiniBand the subnet manager (a port that waits for it is INIT)."
    ),
    "hca_filter": "Let NCCL_IB_HCA name devices that `ibv_devices` lists in the container.",
    "gid_type": (
        "Take NCCL_IB_GID_INDEX out of the environment, so that NCCL chooses; give the interface"
        " an IP address where a port has no GID of RoCE v2."
    ),
    "no_peermem": (
        "Load nvidia-peermem on the named nodes (`modprobe nvidia-peermem`), or use the open GPU"
        " kernel modules, which offer DMA-BUF."
    ),
}
"""What to do, by cause of RDMA001."""
