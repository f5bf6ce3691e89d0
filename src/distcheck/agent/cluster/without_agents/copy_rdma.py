"""What a container has of RDMA, from what the collector brought: its files, and its limits."""

import os
from errno import ENOENT

from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy
from distcheck.agent.rdma_access import device_files, of_limits
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.rdma import RdmaAccess

_FOLDER = "/dev/infiniband"


def access_of(copy: ContainerCopy, pid: int, now: str) -> RdmaAccess:
    """Files and limits; which HCAs the files are, only the node tells."""
    memlock, ipc_lock = of_limits(copy.proc / str(pid))
    return RdmaAccess(
        verbs=_files(copy),
        source=f"{_FOLDER} and limits of pid {pid}",
        seen_at=now,
        memlock_bytes=memlock,
        ipc_lock=ipc_lock,
        pid=pid,
    )


def _files(copy: ContainerCopy) -> tuple[str, ...] | Missing:
    told = copy.told.get(_FOLDER)
    if told is not None:
        return device_files(told.decode("ascii", "replace").split())
    why = copy.gone.get(_FOLDER, "it was not listed")
    return () if why == os.strerror(ENOENT) else Missing(f"{_FOLDER}: {why}")
