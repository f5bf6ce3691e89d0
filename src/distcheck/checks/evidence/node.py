"""What one node's agent saw of the pods that run there."""

from typing import Literal

from msgspec import Struct, field, structs

from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.evidence.gpu import GpuDevice, GpuProcess, Gpus
from distcheck.checks.evidence.gpu_health import GpuHealth
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.evidence.open_devices import OpenDevices
from distcheck.checks.evidence.process import Process, Processes, host_pid
from distcheck.checks.evidence.ras import RasStatus
from distcheck.checks.evidence.ray import RayCluster, RayletAnswers, RayLocal
from distcheck.checks.evidence.ray_log import RayLog
from distcheck.checks.evidence.rdma import QueuePairs, RdmaAccess, RdmaDevices
from distcheck.checks.evidence.rendezvous import NameLookups
from distcheck.checks.evidence.seen import Missing, Seen
from distcheck.checks.evidence.serving import EngineArguments, EngineFolder, EngineHttp
from distcheck.checks.evidence.shm import ShmMount
from distcheck.checks.evidence.vllm import VllmLog
from distcheck.checks.evidence.xids import Xids

__all__ = [
    "Allocated",
    "Allocation",
    "Connection",
    "GpuDevice",
    "GpuProcess",
    "Gpus",
    "ModelConfig",
    "NodeLook",
    "PodLook",
    "PortOutcome",
    "PortProbe",
    "PortProbes",
    "Process",
    "Processes",
    "ShmMount",
]

PortOutcome = Literal["open", "filtered", "rejected", "refused", "silent", "black_hole", "error"]


class PortProbe(Struct, frozen=True, omit_defaults=True):
    """One connection tried from inside a pod's network namespace, and how it ended.

    `detail` names who rejected it and how, where the kernel's error queue tells. At a
    listener of an agent (`nccl`) an open port has said the agent's own word: it is `silent`
    where somebody else accepted, and a `black_hole` where small packets come back and
    full-size ones do not. `seen_as` is the source's address as that listener saw it. At
    `unused` nobody listens: it should be refused.
    """

    peer: str
    address: str
    port: int
    service: str
    outcome: PortOutcome
    detail: str = ""
    seconds: float = 0.0
    seen_as: str = ""


class PortProbes(Seen, frozen=True, tag="port-probes"):
    """All connections tried from one pod. `where` says which namespace they started in.

    `ephemeral` is that namespace's `ip_local_port_range`, from which NCCL's ports are.
    `unlistened` says of pods, by key, why no listener was opened there.
    """

    probes: tuple[PortProbe, ...]
    where: str = ""
    seen_at: str | None = None
    ephemeral: tuple[int, int] | None = None
    unlistened: dict[str, str] = field(default_factory=dict)


class Connection(Struct, frozen=True, omit_defaults=True):
    """An established TCP connection of a pod's network namespace: no probe was needed.

    `accepted`: the pod listens on its own port of it, so that the other side opened it.
    """

    local: str
    local_port: int
    remote: str
    remote_port: int
    accepted: bool = False


class ListeningPort(Struct, frozen=True, order=True):
    """A TCP port of a pod's namespace that waits for connections; `0.0.0.0` or `::` is anywhere."""

    port: int
    address: str


class ListeningPorts(Seen, frozen=True, tag="listening-ports"):
    """All of one pod's, in order. `dropped` counts those beyond what is kept.

    Where they are seen, the pod's connections were read too.
    """

    ports: tuple[ListeningPort, ...]
    source: str
    seen_at: str | None = None
    dropped: int = 0


class ModelConfig(Seen, frozen=True, tag="model-config"):
    """The model's `config.json` and the size of its checkpoint, as the container has them.

    `checkpoint_from` is the file, or the files, whose headers give `checkpoint_bytes`; where
    that is None, why. `checkpoint_types` has them by type (`BF16`) where headers were read.
    `quant_file` is what `hf_quant_config.json` says, where there is one.
    """

    path: str
    config: dict[str, object]
    checkpoint_bytes: int | None = None
    checkpoint_from: str = ""
    checkpoint_types: dict[str, int] = field(default_factory=dict)
    quant_file: dict[str, object] | None = None


class Allocation(Struct, frozen=True):
    """Devices that the kubelet gave to one container: the resource's name, ids as it has them."""

    container: str
    resource: str
    devices: tuple[str, ...]


class Allocated(Seen, frozen=True, tag="allocated"):
    """What the kubelet's pod-resources say of one pod; empty where it was given no device."""

    devices: tuple[Allocation, ...]
    source: str
    seen_at: str | None = None


_ALWAYS = 7
"""Fields of a look at a pod that have no default."""


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
    engine_http: EngineHttp | Missing = Missing("the engine was not asked over HTTP")
    arguments: EngineArguments | Missing = Missing("no engine's command line was read")
    draft: ModelConfig | Missing = Missing("no draft model was looked for")
    engine_folder: EngineFolder | Missing = Missing("no TensorRT-LLM engine was looked for")
    engine: EngineLog | Missing = Missing("no log was read for other engines than vLLM")
    allocated: Allocated | Missing = Missing("the kubelet was not asked which devices it gave")
    rdma: RdmaAccess | Missing = Missing("what the container has of RDMA was not looked at")
    flows: TcpFlows | Missing = Missing("what its connections carried was not looked at")
    queue_pairs: QueuePairs | Missing = Missing("its queue pairs were not looked at")
    open_devices: OpenDevices | Missing = Missing("its processes' open files were not looked at")
    ras: RasStatus | Missing = Missing("NCCL's RAS was not asked")
    names: NameLookups | Missing = Missing("no name was looked up in its namespace")
    ray_local: RayLocal | Missing = Missing("what of Ray runs in it was not looked at")
    ray_log: RayLog | Missing = Missing("no log was read for what Ray says of its start")
    raylets: RayletAnswers | Missing = Missing("no raylet was asked from it")
    listening: ListeningPorts | Missing = Missing("the ports that it listens on were not read")

    @classmethod
    def unseen(cls, pod: str, reason: str) -> "PodLook":
        """A pod that nobody looked at, with the one reason for all of it."""
        gone = Missing(reason)
        look = cls(pod, gone, gone, gone, gone, gone, gone)
        later = (f for f in cls.__struct_fields__[_ALWAYS:] if f != "connections")
        return structs.replace(look, **dict.fromkeys(later, gone))

    def host_pid(self, container_pid: int, container: str | None = None) -> int | Missing:
        """The node's number, which NVML uses, of the process `container_pid` of this pod's logs."""
        return host_pid(self.processes, container_pid, container)


class NodeLook(Struct, frozen=True):
    """One node: its GPUs, the Ray cluster it can ask, and the pods of the group on it."""

    node: str
    observed_at: str
    agent: str
    gpus: Gpus | Missing
    ray: RayCluster | Missing
    pods: tuple[PodLook, ...] = ()
    rdma: RdmaDevices | Missing = Missing("the node's RDMA devices were not looked at")
    health: GpuHealth | Missing = Missing("how the node's GPUs are was not asked")
    xids: Xids | Missing = Missing("nobody waits for them")

    @classmethod
    def unseen(cls, node: str, observed_at: str, reason: str) -> "NodeLook":
        """A node without an answering agent; its pods are unseen for the same reason."""
        gone = Missing(reason)
        return cls(node, observed_at, "", gone, gone, rdma=gone, health=gone, xids=gone)
