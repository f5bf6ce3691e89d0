"""What the cluster says of a serving group: its pods, and what its specs ask for."""

from typing import Literal

from msgspec import Struct, field

Role = Literal["leader", "worker"]
Engine = Literal["vllm", "nim", "triton-trtllm", "sglang", "unknown"]
Balancer = Literal["internal", "hybrid", "external"]


class Target(Struct, frozen=True, omit_defaults=True):
    """The group that was asked for; `chosen` says how the name was understood.

    `size` is how many pods the group should have, and `size_from` the place that says it; where
    nothing could be read that says it, `size` is None and `size_from` the reason.
    """

    namespace: str
    kind: str
    name: str
    chosen: str = ""
    size: int | None = None
    size_from: str = ""


class ShmDeclared(Struct, frozen=True, omit_defaults=True):
    """`/dev/shm` as the pod's spec declares it; `size_bytes` None where no limit is written.

    `medium` is that of an emptyDir; None for another kind of volume. `elsewhere` are the
    containers that mount it there where the one of the ranks does not: it may be none.
    `memory_limit` is the pod's, which the kubelet sets only where every container has one.
    """

    size_bytes: int | None
    source: str
    medium: Literal["memory", "disk"] | None = None
    elsewhere: tuple[str, ...] | None = None
    memory_limit: int | None = None


class Pod(Struct, frozen=True, omit_defaults=True):
    """One pod of the group as the API server shows it.

    `gpus` is the sum of GPU limits over its containers; `container` the one that holds them.
    `started_at` is when that container last started (RFC 3339). `hostname` is `spec.hostname`,
    which Jobs and JobSets set; empty where the pod's name is its hostname. `rdma` are the
    resources of its limits that give it RDMA devices.
    """

    namespace: str
    name: str
    uid: str = ""
    node: str | None = None
    ip: str | None = None
    role: Role = "worker"
    gpus: int = 0
    container: str = ""
    phase: str = ""
    ready: bool = False
    restarts: int = 0
    started_at: str | None = None
    waiting: str | None = None
    shm: ShmDeclared | None = None
    hostname: str = ""
    rdma: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """`namespace/name`: how looks refer to this pod."""
        return f"{self.namespace}/{self.name}"


class Conflict(Struct, frozen=True, omit_defaults=True):
    """Two places that ask for different things; the one not followed is kept here.

    `running`: it is the command line of a process that runs otherwise than the pods' own
    spec, or the caller, asks for.
    """

    name: str
    value: str
    source: str
    running: bool = False


class Trouble(Struct, frozen=True, omit_defaults=True):
    """Why a pod of the group is not there, or does not run, and where that was read.

    `pod` is its name; for a pod that should be there and is not, what it would be
    (`worker 3 of lws/vllm-tp16`). `cause` is the short id that `explain` knows.
    """

    pod: str
    cause: str
    says: str
    source: str
    seen_at: str | None = None


class Rollout(Struct, frozen=True, omit_defaults=True):
    """A change of a workload of the group that its pods do not show yet.

    `pods` are pods of the group that are still of before the change.
    """

    workload: str
    says: str
    pods: tuple[str, ...] = ()


class Intent(Struct, frozen=True, omit_defaults=True):
    """What specs and command lines ask for; None where nothing says it.

    `gpus` and `nodes` are what the whole group should have; `ranks` is how many processes
    MPI or torchrun are told to start. `sources` maps each field to the place it came from
    (`from` in JSON), `agreed` to every place that says the same. `ports` (`http`, `gcs`,
    `rendezvous`, `data_parallel`) and `nccl` (NCCL_* variables) are the leader's; their
    sources are under `ports.http` and `nccl.NCCL_NET`. `dp_local` is the number of copies on
    a node, `dp_balancer` who spreads requests over them. `assumed` are fields that rest on a
    script's default alone. `unread` says why a place, or a field of it, could not be read.
    """

    engine: Engine = "unknown"
    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    gpus: int | None = None
    nodes: int | None = None
    executor: str | None = None
    sources: dict[str, str] = field(default_factory=dict, name="from")
    conflicts: tuple[Conflict, ...] = ()
    gpus_per_pod: int | None = None
    ranks: int | None = None
    dp_local: int | None = None
    dp_balancer: Balancer | None = None
    ports: dict[str, int] = field(default_factory=dict)
    nccl: dict[str, str] = field(default_factory=dict)
    agreed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def world_size(self) -> int | None:
        """Ranks of one copy of the model: TP x PP; None while TP is not known."""
        return None if self.tp is None else self.tp * (self.pp or 1)

    @property
    def gpus_wanted(self) -> int:
        """GPUs, or ranks where those are more, that anything asks for; 0 where nothing does."""
        return max(self.gpus or 0, (self.world_size or 0) * (self.dp or 1))
