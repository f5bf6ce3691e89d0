"""The memory that RDMA registers: what ranks may lock of the host's, and who gives GPU memory."""

from collections.abc import Collection

from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.rdma import RdmaAccess, RdmaDevices
from distcheck.checks.facts.rdma_state import Fault, PodRdma, RdmaStates
from distcheck.checks.knowledge.names import names
from distcheck.checks.knowledge.rdma import MEMLOCK_ENOUGH, MIB


def locked_out(rdma: RdmaStates, connected: Collection[str] = ()) -> Fault | None:
    """Pods that have a device, and may not lock what NCCL registers with it.

    Not those that are `connected`: their ranks have registered what they needed.
    """
    pods = (p for p in rdma.pods if p.pod not in connected)
    short = [(p, limit) for p in pods if (limit := _limit(p)) is not None]
    if not short:
        return None
    least = _size(min(limit for _, limit in short))
    who = tuple(p.pod for p, _ in short)
    says = f"the ranks of {names(who)} may lock {least} of memory: too little for NCCL's buffers"
    return Fault("memlock", says, tuple(_cite(p, limit) for p, limit in short), who)


def locked(rdma: RdmaStates) -> str:
    """`all memory`, or how much the least of the pods may lock."""
    limits = [_finite(p.access) for p in rdma.pods if isinstance(p.access, RdmaAccess)]
    numbers = [n for n in limits if n is not None]
    return f"{_size(min(numbers))} of memory" if numbers else "all memory"


def without_peermem(rdma: RdmaStates) -> Fault | None:
    """Nodes without the module that gives HCAs GPU memory; dma-buf would do without it."""
    lacks = [
        p for p in rdma.pods if isinstance(p.devices, RdmaDevices) and p.devices.peermem is False
    ]
    if not lacks:
        return None
    who = names(dict.fromkeys(p.node for p in lacks))
    says = f"NCCL goes through host memory, and nvidia-peermem is not loaded on {who}"
    cites = tuple(Cite(f"no nvidia_peermem on {p.node}", "/sys/module") for p in lacks)
    return Fault("no_peermem", says, cites, tuple(p.pod for p in lacks))


def _limit(pod: PodRdma) -> int | None:
    """The limit, where it is seen to be too low."""
    if (
        not isinstance(pod.access, RdmaAccess)
        or not pod.has_device
        or pod.access.ipc_lock is not False
    ):
        return None
    limit = _finite(pod.access)
    return limit if limit is not None and limit < MEMLOCK_ENOUGH else None


def _finite(access: RdmaAccess) -> int | None:
    limit = access.memlock_bytes
    return limit if isinstance(limit, int) and access.ipc_lock is not True else None


def _cite(pod: PodRdma, limit: int) -> Cite:
    access = pod.access
    what = f"Max locked memory in {pod.pod} is {limit} bytes, and it lacks IPC_LOCK"
    if isinstance(access, RdmaAccess):
        return Cite(what, access.source, access.seen_at)
    return Cite(what, pod.node)


def _size(limit: int) -> str:
    return f"{limit / MIB:.0f} MiB" if limit >= MIB else f"{limit >> 10} KiB"
