"""What one node's agent saw of the pods that run there."""

from typing import Literal

from msgspec import Struct, field

from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.evidence.ray import RayCluster
from distcheck.checks.evidence.seen import Missing, Seen
from distcheck.checks.evidence.vllm import VllmLog

PortOutcome = Literal["open", "filtered", "rejected", "refused", "error"]


class GpuDevice(Struct, frozen=True, omit_defaults=True):
    """One GPU; memory in bytes."""

    uuid: str
    index: int
    name: str = ""
    memory_total: int = 0
    memory_used: int = 0


class GpuProcess(Struct, frozen=True, omit_defaults=True):
    """One process on one GPU; `memory_used` in bytes, None where NVML does not tell.

    `pod` is `namespace/name` where the process's cgroup names a pod of this node.
    """

    uuid: str
    pid: int
    memory_used: int | None = None
    pod: str | None = None
    title: str = ""


class Gpus(Seen, frozen=True, tag="gpus"):
    """NVML's view of the node."""

    devices: tuple[GpuDevice, ...]
    processes: tuple[GpuProcess, ...] = ()
    driver: str = ""
    seen_at: str | None = None


class Process(Struct, frozen=True, omit_defaults=True):
    """A process of a container; `argv` only for command lines that this project reads.

    `title` is what the process calls itself (`VLLM::Worker_TP3`, `ray::RayWorkerWrapper`),
    `started_at` is RFC 3339. `argv` never holds values of flags outside the allow-list.
    """

    pid: int
    title: str
    ppid: int = 0
    argv: tuple[str, ...] = ()
    started_at: str | None = None


class Processes(Seen, frozen=True, tag="processes"):
    """The processes of one pod that matter here, and allow-listed environment of the engine.

    `environ_pid` is the process whose environment it is; None where none could be read.
    """

    processes: tuple[Process, ...]
    environ: dict[str, str] = field(default_factory=dict)
    seen_at: str | None = None
    environ_pid: int | None = None


class ShmMount(Seen, frozen=True, tag="shm"):
    """`/dev/shm` as mounted in the container that runs the ranks; sizes in bytes.

    `source` is the mount's source: `shm` is the runtime's default, `tmpfs` a volume.
    """

    size_bytes: int
    source: str
    cited: str
    used_bytes: int | None = None
    seen_at: str | None = None


class PortProbe(Struct, frozen=True, omit_defaults=True):
    """One connection tried from inside a pod's network namespace, and how it ended.

    `detail` names who rejected it and how, where the kernel's error queue tells.
    """

    peer: str
    address: str
    port: int
    service: str
    outcome: PortOutcome
    detail: str = ""
    seconds: float = 0.0


class PortProbes(Seen, frozen=True, tag="port-probes"):
    """All connections tried from one pod. `where` says which namespace they started in."""

    probes: tuple[PortProbe, ...]
    where: str = ""
    seen_at: str | None = None


class Connection(Struct, frozen=True):
    """An established TCP connection of a pod's network namespace: no probe was needed."""

    local: str
    local_port: int
    remote: str
    remote_port: int


class ModelConfig(Seen, frozen=True, tag="model-config"):
    """The model's `config.json` and the size of its checkpoint, as the container has them."""

    path: str
    config: dict[str, object]
    checkpoint_bytes: int | None = None


class PodLook(Struct, frozen=True):
    """Everything one agent saw of one pod."""

    pod: str
    processes: Processes | Missing
    nccl: NcclLog | Missing
    vllm: VllmLog | Missing
    shm: ShmMount | Missing
    ports: PortProbes | Missing
    model: ModelConfig | Missing
    connections: tuple[Connection, ...] = ()

    @classmethod
    def unseen(cls, pod: str, reason: str) -> "PodLook":
        """A pod that nobody looked at, with the one reason for all of it."""
        gone = Missing(reason)
        return cls(pod, gone, gone, gone, gone, gone, gone)


class NodeLook(Struct, frozen=True):
    """One node: its GPUs, the Ray cluster it can ask, and the pods of the group on it."""

    node: str
    observed_at: str
    agent: str
    gpus: Gpus | Missing
    ray: RayCluster | Missing
    pods: tuple[PodLook, ...] = ()

    @classmethod
    def unseen(cls, node: str, observed_at: str, reason: str) -> "NodeLook":
        """A node without an answering agent; its pods are unseen for the same reason."""
        gone = Missing(reason)
        return cls(node, observed_at, "", gone, gone)
