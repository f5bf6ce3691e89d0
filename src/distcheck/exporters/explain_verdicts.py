"""What the words of a verdict mean, of checks and of logs."""

from distcheck.checks.knowledge.nccl_remedies import Cause

OUTCOMES: dict[str, Cause] = {
    "pass": Cause(
        "evidence shows that what was asked holds, and the lines that show it are cited",
        "Nothing.",
    ),
    "warn": Cause(
        "it works, and evidence shows that it works less well than it could",
        "Read the row's own remedy; `--strict` lets a warning fail.",
    ),
    "fail": Cause(
        "evidence proves that something is wrong",
        "Do what the row says first, then verify again: later failures may follow from it.",
    ),
    "unknown": Cause(
        "there is not enough evidence for a verdict: neither good nor bad is proven",
        "Give what the row says is missing, most often the logs of all pods with NCCL_DEBUG=INFO;"
        " `--inconclusive pass` takes it for good at your own risk.",
    ),
    "skipped": Cause(
        "evidence shows that the check does not apply to this group",
        "Nothing.",
    ),
}
"""How a check ends, and a group with all of its checks."""

TRANSPORTS: dict[str, Cause] = {
    "rdma": Cause(
        "all channels between nodes go over RDMA, straight from GPU memory",
        "Nothing.",
    ),
    "rdma-no-gdr": Cause(
        "channels between nodes go over RDMA, and some or all take a detour through host memory",
        "Load nvidia-peermem on every node or use a driver with DMA-BUF; `distcheck explain"
        " NCCL003` has the other causes.",
    ),
    "socket": Cause(
        "channels between nodes go over TCP sockets, not over RDMA",
        "Do what the cause beside it calls for; `distcheck explain NCCL002` lists them all.",
    ),
    "mnnvl": Cause("ranks on different nodes talk over multi-node NVLink", "Nothing."),
    "single-node": Cause("all ranks are on one node, so no network is needed", "Nothing."),
    "failed": Cause(
        "NCCL reported a failure, or started and completed on no rank",
        "Look at the first failure that is named: the others most often follow from it.",
    ),
    "inconclusive": Cause(
        "these logs do not show over what the ranks talk",
        "Give the logs of all pods, from their start, with NCCL_DEBUG=INFO.",
    ),
}
"""What logs prove about the network between ranks."""
