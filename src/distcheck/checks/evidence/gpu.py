"""What NVML says of a node's GPUs, their MIG slices, and the processes on them."""

from collections.abc import Container
from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Seen

Owner = Literal["", "pod", "node", "unseen"]
"""Of a process on a GPU. `node`: its cgroup names no pod. `unseen`: the agent's `/proc` has no
such process (it ended, or that `/proc` is not the host's). Empty: nobody looked."""


class GpuDevice(Struct, frozen=True, omit_defaults=True):
    """One GPU; memory in bytes.

    `memory_reserved` is the driver's own part, None where the driver counts it as used.
    `bus_id` is the PCI address (`00000000:1B:00.0`), `minor` the N of `/dev/nvidiaN`; `mig` and
    `minor` are None where NVML does not tell.
    """

    uuid: str
    index: int
    name: str = ""
    memory_total: int = 0
    memory_used: int = 0
    memory_reserved: int | None = None
    bus_id: str = ""
    mig: bool | None = None
    minor: int | None = None


class MigSlice(Struct, frozen=True, omit_defaults=True):
    """One MIG device, a part of the GPU `parent`; memory in bytes, None where not told."""

    uuid: str
    parent: str
    gpu_instance: int | None = None
    compute_instance: int | None = None
    memory_total: int | None = None
    memory_used: int | None = None


class GpuProcess(Struct, frozen=True, omit_defaults=True):
    """One process on one GPU, or on the MIG slice `uuid`.

    `memory_used` is in bytes, None where NVML does not tell: `untold` has the reason.
    `pod` is `namespace/name` where the process's cgroup names a pod of this node, and `another pod`
    for one that nobody asked for.
    """

    uuid: str
    pid: int
    memory_used: int | None = None
    pod: str | None = None
    title: str = ""
    owner: Owner = ""
    container_id: str = ""
    mps: bool = False
    untold: str = ""


class Gpus(Seen, frozen=True, tag="gpus"):
    """NVML's view of the node. `notes` say what it did not answer."""

    devices: tuple[GpuDevice, ...]
    processes: tuple[GpuProcess, ...] = ()
    driver: str = ""
    seen_at: str | None = None
    slices: tuple[MigSlice, ...] = ()
    notes: tuple[str, ...] = ()

    def whole(self, uuid: str) -> str:
        """The UUID of the GPU that the slice `uuid` is a part of; `uuid` itself for a GPU."""
        return next((s.parent for s in self.slices if s.uuid == uuid), uuid)

    def tenants(self, pods: Container[str]) -> tuple[GpuProcess, ...]:
        """Processes that are none of `pods`' (`namespace/name`), on GPUs or slices that they use.

        A process that nobody could attribute is among them: it may be a pod's own.
        """
        used = {p.uuid for p in self.processes if p.pod in pods}
        return tuple(p for p in self.processes if p.uuid in used and p.pod not in pods)
