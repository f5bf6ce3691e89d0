"""What each NCCL failure means and what to do about it: the one table for all that name one.

Meanings: NCCL src/misc/socket.cc, bootstrap.cc, transport/net_ib and transport/shm.cc; NVIDIA's
NCCL user guide, troubleshooting; aws-ofi-nccl for `ofi-mr` and `ofi-completion`.
"""

import re

from msgspec import Struct

from distcheck.checks.evidence.nccl import Failure
from distcheck.checks.knowledge.failure_details import detail_of


class Cause(Struct, frozen=True):
    """What happened, and what to do about it, most likely first."""

    means: str
    remedy: str

    @property
    def short(self) -> str:
        """What happened in a few words: up to the first colon, semicolon or comma."""
        return re.split("[:;,]", self.means, maxsplit=1)[0]


OTHER = "nccl-failure"
"""The cause of a failure that the table does not know."""

_FIRST = "Look at the other ranks' logs for what happened just before: this follows from it."
_DEBUG = "Set NCCL_DEBUG=INFO (or WARN) in every pod and start again: NCCL then names the cause."

FAILURES: dict[str, Cause] = {
    "bootstrap-connect": Cause(
        "a rank cannot reach another one over TCP: firewall, network policy or the wrong interface",
        "Allow all TCP between the pods of the group in both directions: NCCL picks random ports."
        " Look at NetworkPolicies, node firewalls and security groups. If the address is of a"
        " network that the other pod cannot reach, set NCCL_SOCKET_IFNAME to the pod network's"
        " interface (eth0).",
    ),
    "iface-none": Cause(
        "no usable network interface; NCCL_SOCKET_IFNAME may name none",
        "Take NCCL_SOCKET_IFNAME out, or let it name an interface that `ip address` lists in the"
        " pod.",
    ),
    "peer-closed": Cause(
        "another rank closed the connection: look for the first error there",
        _FIRST,
    ),
    "nranks": Cause(
        "the ranks do not agree on how many they are",
        "Give every pod the same world size and rendezvous address, and look for ranks of an"
        " earlier start that still run.",
    ),
    "version-mismatch": Cause(
        "the ranks run different NCCL versions",
        "Run one image on all pods; look for LD_PRELOAD and VLLM_NCCL_SO_PATH.",
    ),
    "truncated": Cause(
        "the ranks disagree on message sizes, often from different settings",
        "Compare the NCCL_* variables and the image of all pods: they must be equal.",
    ),
    "duplicate-gpu": Cause(
        "two ranks use one GPU",
        "Look at CUDA_VISIBLE_DEVICES and at how many ranks each pod starts: no more than GPUs.",
    ),
    "shm-no-space": Cause(
        "/dev/shm is too small for the segment that NCCL asks for",
        "Where SHM002 names segments of dead ranks, remove those. Else mount an emptyDir of medium"
        " Memory at /dev/shm, with a sizeLimit that fits the ranks (SHM001 says how large).",
    ),
    "shm-attach": Cause(
        "a shared memory segment of another rank cannot be opened",
        "Look for a rank that died before. Ranks in containers of their own need one /dev/shm,"
        " or NCCL_SHM_DISABLE=1.",
    ),
    "bus-error": Cause(
        "a process died of a bus error, the sign of a full /dev/shm in NCCL before 2.19",
        "Where SHM002 names segments of dead ranks, remove those. Else mount an emptyDir of medium"
        " Memory at /dev/shm, with a sizeLimit that fits the ranks (SHM001 says how large).",
    ),
    "ib-completion": Cause(
        "an RDMA operation failed: unreachable peer, lossy fabric or ACS",
        "Test the path between the two devices (ib_write_bw). On RoCE look at lossless settings"
        " and the GID index; with GPUDirect, at ACS on the PCIe switches.",
    ),
    "ib-modify-qp": Cause(
        "an RDMA connection cannot be set up: GID index or RoCE routing",
        "Set NCCL_IB_GID_INDEX to a RoCE v2 GID that `show_gids` lists in the pod, and see that"
        " the two devices' subnets reach each other.",
    ),
    "ib-mr": Cause(
        "memory cannot be registered: locked-memory limit or GPU memory support",
        "Give the container IPC_LOCK or an unlimited memlock; load nvidia-peermem, or use a"
        " driver with DMA-BUF.",
    ),
    "ib-async": Cause(
        "an RDMA device reported a fatal event",
        "Look at the device on that node: link state, cable, firmware, kernel log.",
    ),
    "ofi-mr": Cause(
        "libfabric cannot register memory",
        "Look at the memlock limit and huge pages of the pod, and at the versions of libfabric,"
        " aws-ofi-nccl and the driver.",
    ),
    "ofi-completion": Cause(
        "a transfer over libfabric failed, or could not be set up",
        "Look at the peer that the line names and at its log; on EFA, at a security group that"
        " allows all traffic within itself, in and out.",
    ),
    "nvls": Cause(
        "NVLink SHARP multicast cannot be bound: look at the fabric manager",
        "See that nvidia-fabricmanager runs on that node with the driver's version;"
        " NCCL_NVLS_ENABLE=0 goes around it.",
    ),
    "mnnvl": Cause(
        "multi-node NVLink is there and its IMEX channels are not usable",
        "Give the pods a ComputeDomain with IMEX channels; NCCL_MNNVL_ENABLE=0 goes around it.",
    ),
    "p2p-hw": Cause(
        "GPUs joined by NVLink cannot use peer-to-peer",
        "Look at `nvidia-smi topo -p2p r` and the fabric manager on that node.",
    ),
    "no-transport": Cause(
        "two ranks have no transport in common",
        "Take NCCL_P2P_DISABLE, NCCL_SHM_DISABLE and NCCL_NET out of the pods' environment.",
    ),
    "net-mismatch": Cause(
        "the nodes have different numbers of network devices",
        "Compare the RDMA devices of the pods: one node has lost a device, or was given fewer.",
    ),
    "network-not-found": Cause(
        "the network that NCCL_NET asks for is not there",
        "Take NCCL_NET and NCCL_NET_PLUGIN out, or install the plugin that they name.",
    ),
    "proxy-operation": Cause(
        "NCCL's proxy thread could not carry out a connection step",
        "Look at the warnings just before it in the same log.",
    ),
    "cuda": Cause(
        "a CUDA call failed",
        "Look at the words of the line: out of memory calls for a lower"
        " --gpu-memory-utilization; else look at the kernel log for an Xid on that node.",
    ),
    "watchdog-timeout": Cause(
        "a collective did not end within PyTorch's timeout",
        "Look for the rank that stopped or fell behind; its log says why.",
    ),
    "async-error": Cause("a call found that the communicator had failed before", _FIRST),
    "nccl-remote-error": Cause("the program says that another rank failed or left", _FIRST),
    "nccl-system-error": Cause(
        "the program says that a system call failed within NCCL",
        _DEBUG,
    ),
    "nccl-cuda-error": Cause("the program says that a CUDA call failed within NCCL", _DEBUG),
    "nccl-invalid-usage": Cause("the program says that it called NCCL wrongly", _DEBUG),
    "nccl-internal-error": Cause("the program says that NCCL failed internally", _DEBUG),
    OTHER: Cause("NCCL failed in another way", "Look at the words of the line itself. " + _DEBUG),
}
"""Every failure by its id, as the grammar names it."""

INTERFACES: dict[str, Cause] = {
    "iface-loopback": Cause(
        "NCCL's bootstrap uses the loopback, which no other pod can reach",
        "Set NCCL_SOCKET_IFNAME to the pod network's interface (eth0).",
    ),
    "iface-bridge": Cause(
        "NCCL's bootstrap uses a bridge or an overlay",
        "Set NCCL_SOCKET_IFNAME to the interface that the other pods reach (eth0).",
    ),
    "iface-link-local": Cause(
        "NCCL's bootstrap uses a link-local address",
        "Set NCCL_SOCKET_IFNAME to the interface that the other pods reach (eth0).",
    ),
}
"""Marks of interfaces that other nodes may not reach."""


def cause_id(failure: str) -> str:
    """The documented cause of a failure's id."""
    return failure if failure in FAILURES else OTHER


def cause_of(failure: Failure) -> Cause:
    """What `failure` means: by its words where they tell more, else by its id."""
    detail = detail_of(failure)
    if detail is not None:
        return Cause(detail.means, detail.remedy)
    return FAILURES[cause_id(failure.id)]
