"""A scenario: what differs from a healthy group, and what must be found."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from distcheck.checks.verdict import Outcome
from distcheck.lab.symptoms import Symptom

NodeName = Literal["gpu-a", "gpu-b"]
Service = Literal["rendezvous"]
RangeWay = Literal["open", "dropped", "no-full-size"]
Fails = Literal[
    "",
    "no-route",
    "wrong-interface",
    "no-interface",
    "nccl-versions",
    "gpu-taken",
    "out-of-memory",
    "kv-too-small",
    "peer-died",
    "system-error",
]
"""How an engine fails; `lab/failures.py` has the words."""
ModelName = Literal["llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b-fp8", "deepseek-v3"]
GIB = 1 << 30
MIB = 1 << 20


class Engine(Struct, frozen=True, forbid_unknown_fields=True):
    """One running server: its degrees, and the nodes its ranks run on.

    `progress` is how far it came: `waiting` for a placement group, at the `rendezvous`
    of its ranks, in NCCL's `bootstrap`, in its `init`, at its `first-word` after which nothing
    comes, `loading` its weights, or `serving`. `fails` is what ended it there: its processes are
    gone, and the container is not. One that is `dead` served, and has left its API process; one
    that has `vanished` left a shell, and no word of its end.
    """

    tp: int = 16
    pp: int = 1
    dp: int = 1
    nodes: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    progress: Literal[
        "waiting", "rendezvous", "bootstrap", "init", "first-word", "loading", "serving"
    ] = "serving"
    fails: Fails = ""
    dead: bool = False
    vanished: bool = False

    @property
    def runs(self) -> bool:
        """Whether its ranks are processes on GPUs."""
        return self.progress != "waiting" and not self.ended

    @property
    def ended(self) -> bool:
        """Whether its ranks ran and are gone."""
        return bool(self.fails) or self.dead or self.vanished

    @property
    def met(self) -> bool:
        """Whether its ranks found each other and have their communicators."""
        return self.progress in ("loading", "serving")

    @property
    def ranks(self) -> int:
        """All of its ranks, those of every copy."""
        return self.tp * self.pp * self.dp


class Shm(Struct, frozen=True, forbid_unknown_fields=True):
    """`/dev/shm` in the containers; `runtime` is the container runtime's own default.

    `declared_mib` is the sizeLimit of the spec where it differs, and `memory_mib` the memory
    limit of the containers. With `beside` the volume is mounted in a sidecar alone. `leaked`
    counts segments that ranks which died left on the node `leaked_on`.
    """

    mib: int = 32 * 1024
    mounted: Literal["volume", "runtime"] = "volume"
    declared_mib: int | None = None
    memory_mib: int = 960 * 1024
    beside: bool = False
    leaked: int = 0
    leaked_on: NodeName | None = None


class Rdma(Struct, frozen=True, forbid_unknown_fields=True):
    """The HCAs of every node: `devices` of them, each with a link of `gbps`, `down` on some nodes.

    `given` is whether the containers have their files, by default where NCCL uses them;
    `memlock` is what their processes may lock, with IPC_LOCK where that is all.
    """

    devices: int = 8
    gbps: Literal[400, 200, 100, 25] = 400
    layer: Literal["InfiniBand", "Ethernet"] = "InfiniBand"
    given: bool | None = None
    memlock: Literal["unlimited", "65536"] = "unlimited"
    down: tuple[NodeName, ...] = ()


class Names(Struct, frozen=True, forbid_unknown_fields=True):
    """By which name workers `join`, and how their name server is.

    It `answers`, it is `silent`, or it is the `nodes` own one, which knows no name of the cluster.
    """

    join: str = "vllm-head-0.vllm-head"
    server: Literal["answers", "silent", "nodes"] = "answers"


class Ras(Struct, frozen=True, forbid_unknown_fields=True):
    """NCCL's RAS, as that `release` answers; ranks `behind` call nothing any more."""

    release: Literal["off", "2.25.1", "2.27.3", "2.28.9", "2.30.7"] = "2.27.3"
    behind: tuple[int, ...] = ()


class RayScene(Struct, frozen=True, forbid_unknown_fields=True):
    """What is not well with Ray; such a Ray is replayed, never real.

    `gpus` are what nodes brought where it is not all of them. `dead` nodes had joined and died;
    those in `cut` are ALIVE, and their raylets do not answer. With `loopback` the head is at
    127.0.0.1. `start` is what the worker's `ray start` says: that it cannot `connect`, that the
    head is of another `version`, that its `token` is not taken, or that the head `restarted`
    and has forgotten its raylet. `holder` is who has the head's
    GPUs: another engine that is `held`, or a `leaked` group. `host_ip` is what the engine takes
    for the head's address.
    """

    gpus: dict[NodeName, int] = field(default_factory=dict)
    dead: tuple[NodeName, ...] = ()
    cut: tuple[NodeName, ...] = ()
    loopback: bool = False
    start: Literal["", "connect", "version", "token", "restarted"] = ""
    holder: Literal["", "held", "leaked"] = ""
    host_ip: str = ""


class Drop(Struct, frozen=True, forbid_unknown_fields=True):
    """Connections from one node's pod to a service of another's that a firewall drops."""

    source: NodeName = field(name="from")
    to: NodeName
    service: Literal["gcs", "raylet"]


class Scene(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole world of a scenario; the defaults are a healthy TP=16 group on Ray.

    `nodes` have a pod each, tied by Ray, or with `mp` by a LeaderWorkerSet; with `mp` and an
    engine for each node they are replicas that need nobody. `declared_tp`, `declared_pp` and
    `declared_dp` are what the specs ask for; `engines` is what runs, with the further `flags`,
    which make each rank hold `adds_gib` more than its share, and `layer_partition` layers in
    its stages. An engine that is `asleep` has given its weights and its cache back.

    `ray_nodes` have joined Ray; `agents` are the nodes with an agent; SYNs to `dropped` services
    are dropped, and `nccl_range` is what happens to what goes to a random port of a node's pod. The
    NICs of `without_gdr` nodes do not reach GPU memory, and `nccl_settings` are variables that NCCL
    finds set in every container. A `tenant` is a node where a process of no pod holds `tenant_gib`
    on the first GPU. `visible` is the containers' CUDA_VISIBLE_DEVICES; the rank on the head's GPU
    5 holds `fuller_gib` more than its share, and with `contexts` each rank left a context on its
    node's first GPU; with `mig` the pod has one slice of a GPU. `engine_answers` is whether the
    engine's port answers. `forbidden` are what the caller may do with no pod of the group, such as
    `pods/exec`.

    Processes of `gone` ranks have ended, and the pod of an `idle` node never starts any. `ras` is
    what NCCL itself tells.
    `ray_scene` says what is not well with Ray. A `firewall` drops by source and destination, which
    needs root and nftables; all else runs without.

    `logs` are kept, or rotated away but for their last lines, or those of an earlier start a
    week ago, whose processes had other numbers; or had the same, and only Ray's logs are left.
    With `nccl_debug` unset NCCL logs nothing. `policy` is a NetworkPolicy for all pods.

    Each node has the HCAs of `rdma`. On `without_nvlink` nodes no NVLink is up; the fourth GPU of
    the node `gpu_errors` has memory errors, that of `gpu_lost` fell off the bus, that of `gpu_xid`
    has Xid events.
    """

    model: ModelName = "llama-3.1-70b"
    executor: Literal["ray", "mp"] = "ray"
    nodes: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    declared_tp: int = 16
    declared_pp: int = 1
    declared_dp: int = 1
    engines: tuple[Engine, ...] = (Engine(),)
    flags: tuple[str, ...] = ()
    adds_gib: float = 0.0
    layer_partition: str = ""
    asleep: bool = False
    visible: str = ""
    mig: bool = False
    network: Literal["ib", "socket"] = "ib"
    rdma: Rdma = Rdma()
    without_nvlink: tuple[NodeName, ...] = ()
    gpu_errors: NodeName | None = None
    gpu_lost: NodeName | None = None
    gpu_xid: NodeName | None = None
    shm: Shm = Shm()
    ray_nodes: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    ray_scene: RayScene = RayScene()
    firewall: tuple[Drop, ...] = ()
    agents: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    dropped: tuple[Service, ...] = ()
    nccl_range: dict[NodeName, RangeWay] = field(default_factory=dict)
    without_gdr: tuple[NodeName, ...] = ()
    nccl_settings: dict[str, str] = field(default_factory=dict)
    nccl_debug: Literal["INFO", "unset"] = "INFO"
    logs: Literal["kept", "rotated", "last-week", "last-week-same-pids"] = "kept"
    engine_answers: bool = True
    tenant: NodeName | None = None
    tenant_gib: int = 4
    fuller_gib: float = 0.0
    contexts: bool = False
    forbidden: tuple[str, ...] = ()
    names: Names = Names()
    policy: Literal["", "no-dns", "only-gcs"] = ""
    gone: tuple[int, ...] = ()
    idle: NodeName | None = None
    ras: Ras = Ras()

    @property
    def gpus_per_pod(self) -> int:
        """GPUs, or slices of one, that each pod asks for."""
        return 1 if self.mig else 8

    @property
    def has_devices(self) -> bool:
        """Whether the containers have the files of RDMA devices, and the specs ask for them."""
        return self.network == "ib" if self.rdma.given is None else self.rdma.given

    @property
    def ray(self) -> bool:
        """Whether Ray runs in the pods."""
        return self.executor == "ray"

    @property
    def ray_is_real(self) -> bool:
        """Whether a real Ray can stand for this one."""
        return self.ray and self.ray_scene == RayScene() and not self.firewall

    @property
    def leader_worker_set(self) -> bool:
        """Whether the pods are of a LeaderWorkerSet: one engine runs in several."""
        return not self.ray and any(len(e.nodes) > 1 for e in self.engines)

    @property
    def expert_parallel(self) -> bool:
        """Whether each rank holds whole experts."""
        return "--enable-expert-parallel" in self.flags


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """What `verify` must say: `checks` maps ids to an outcome, or `outcome cause`.

    `says` maps ids to words that must be in what the check says. `first` is the id that the
    summary must begin with: the cause, before what follows from it. `alerts` are the names,
    without their `Distcheck`, of all alerts that the group raises.
    """

    verdict: Outcome
    exit: Annotated[int, Meta(ge=0, le=70)]
    checks: dict[str, str]
    says: dict[str, str] = field(default_factory=dict)
    first: str = ""
    alerts: tuple[str, ...] = ()


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `lab/scenarios`, named after it; `symptoms` are what its fault looks like."""

    title: str
    story: str
    expect: Expected
    world: Scene = Scene()
    name: str = ""
    symptoms: tuple[Symptom, ...] = ()
