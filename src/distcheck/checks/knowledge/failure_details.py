"""What a failure's words add to its id: the cause behind the call that failed.

Sources: NCCL src/misc/socket.cc, ibvwrap.cc, transport/net_ib (status and error numbers);
libibverbs' work completion codes; Linux errno; NVIDIA's NCCL user guide, troubleshooting.
"""

import re
from typing import NamedTuple

from distcheck.checks.evidence.nccl import Failure


class Detail(NamedTuple):
    """What a failure's words add to its id; `example` is such a line of our own making."""

    failure: str
    id: str
    pattern: re.Pattern[str]
    means: str
    remedy: str
    example: str


DETAILS: tuple[Detail, ...] = (
    Detail(
        "ib-mr",
        "memlock",
        re.compile(r"Cannot allocate memory"),
        "the locked-memory limit is too low to register memory",
        "Give the container the IPC_LOCK capability, or an unlimited memlock limit (`ulimit -l`).",
        "Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory",
    ),
    Detail(
        "ib-mr",
        "no_peermem",
        re.compile(r"Bad address"),
        "GPU memory cannot be registered: the kernel has no GPUDirect module",
        "Load nvidia-peermem on the node, or use the open kernel modules, which offer DMA-BUF.",
        "Call to ibv_reg_mr failed with error Bad address",
    ),
    Detail(
        "ib-modify-qp",
        "gid-index",
        re.compile(r"GID ::(?![0-9a-fA-F])|Invalid argument"),
        "the GID index names no address on one of the two devices",
        "Unset NCCL_IB_GID_INDEX, or set it to a RoCE v2 GID that `show_gids` lists in both pods.",
        "Call to ibv_modify_qp failed with 22 Invalid argument, on dev mlx5_0:1, curr state INIT,"
        " next state RTR, local GID index 3, local GID ::, remote GID ::ffff:10.1.0.4",
    ),
    Detail(
        "ib-modify-qp",
        "no-route",
        re.compile(r"Network is unreachable|No route to host|Connection timed out"),
        "the two devices' networks do not reach each other",
        "Look at routes and VLANs between the RDMA networks of the two nodes, and at which device"
        " each side uses (NCCL_IB_HCA, NCCL_CROSS_NIC).",
        "Call to ibv_modify_qp failed with 110 Connection timed out, on dev mlx5_0:1",
    ),
    Detail(
        "ib-modify-qp",
        "device-gone",
        re.compile(r"No such device"),
        "the RDMA device has left",
        "Look at the device on that node: driver, firmware, kernel log.",
        "Call to ibv_modify_qp failed with error No such device",
    ),
    Detail(
        "ib-completion",
        "retry-exceeded",
        re.compile(r"(?:error 12,|status=12 |RETRY_EXC_ERR)"),
        "the peer's device does not answer: link down, lossy fabric, wrong path, or a dead peer",
        "Test the path between the two devices (ib_write_bw); look at link state and, on RoCE, at"
        " flow control and the GID index; at ACS where GPUDirect is used.",
        "NET/IB : Got completion from peer 10.1.0.4<41000> with status=12 opcode=0 len=0",
    ),
    Detail(
        "ib-completion",
        "local-protection",
        re.compile(r"(?:error 4,|status=4 |LOC_PROT_ERR)"),
        "the device may not touch the memory that it was given",
        "Look at nvidia-peermem and DMA-BUF on that node; NCCL_NET_GDR_LEVEL=LOC shows whether"
        " GPUDirect is at fault.",
        "NET/IB : Got completion from peer 10.1.0.4<41000> with status=4 opcode=0 len=0",
    ),
    Detail(
        "ib-completion",
        "remote-access",
        re.compile(r"(?:error (?:9|10|11),|status=(?:9|10|11) |REM_(?:INV_REQ|ACCESS|OP)_ERR)"),
        "the peer's device refused the operation",
        "Look at the peer's log; run one image, with one NCCL version and settings, on all pods.",
        "NET/IB : Got completion from peer 10.1.0.4<41000> with status=10 opcode=0 len=0",
    ),
    Detail(
        "ib-async",
        "link_down",
        re.compile(r"port error|PORT_ERR", re.IGNORECASE),
        "the link of an RDMA port went down",
        "Look at cable, switch port and kernel log of the named device (`ibstat`).",
        "NET/IB : mlx5_0:1 Got async event : port error",
    ),
    Detail(
        "bootstrap-connect",
        "refused",
        re.compile(r"Connection refused"),
        "nothing listens at the peer's address: it has not started, it died, or it is another one",
        "Look whether the rank at that address runs, and for its first failure; see that all pods"
        " name the same head.",
        "Connect to 10.1.0.4<41000> failed : Connection refused",
    ),
    Detail(
        "bootstrap-connect",
        "no-route",
        re.compile(r"No route to host|Network is unreachable|\b113\(|\b101\("),
        "no route leads to the peer's address, or a firewall rejects it",
        "Set NCCL_SOCKET_IFNAME to the pod network's interface (eth0); look at NetworkPolicies and"
        " node firewalls.",
        "socketPollConnect: connect returned No route to host, exceeded error retry count (35)",
    ),
    Detail(
        "bootstrap-connect",
        "timed-out",
        re.compile(r"timed out"),
        "the peer's address does not answer: packets are dropped on the way",
        "Allow all TCP between the pods of the group: NCCL picks random ports. Look at"
        " NetworkPolicies and security groups (NET001).",
        "Connect to 10.1.0.4<41000> failed : Connection timed out",
    ),
    Detail(
        "iface-none",
        "no-address",
        re.compile(r"is neither AF_INET"),
        "the interface that was chosen has no address",
        "Set NCCL_SOCKET_IFNAME to an interface that `ip address` lists with an address.",
        "ncclSocketInit: connecting to address  with family 59936 is neither AF_INET(2) nor",
    ),
    Detail(
        "cuda",
        "gpu-broken",
        re.compile(r"uncorrectable|ECC error|NVRM: Xid|fallen off|GPU is lost", re.IGNORECASE),
        "the GPU itself failed",
        "Look at the node's kernel log for the Xid, drain the node, and reset or replace the GPU.",
        "Cuda failure 214 'uncorrectable ECC error encountered'",
    ),
    Detail(
        "cuda",
        "out-of-memory",
        re.compile(r"out of memory"),
        "the GPU's memory is full",
        "Lower --gpu-memory-utilization: NCCL needs memory that the engine does not count; look"
        " for other processes on the GPU.",
        "Cuda failure 2 'out of memory'",
    ),
    Detail(
        "cuda",
        "driver-too-old",
        re.compile(r"driver version is insufficient|no kernel image"),
        "the driver or the build does not fit this GPU",
        "Use a driver for the image's CUDA version, and an image built for this GPU.",
        "Cuda failure 'CUDA driver version is insufficient for CUDA runtime version'",
    ),
)
"""What the words of a failure tell beyond its id; the first that matches counts."""


def detail_of(failure: Failure) -> Detail | None:
    """What the words of `failure` add to its id, with a remedy of its own; None if nothing."""
    own = (d for d in DETAILS if d.failure == failure.id)
    return next((d for d in own if d.pattern.search(failure.says)), None)
