"""A scenario: what differs from a healthy group, and what must be found."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from distcheck.checks.verdict import Outcome

NodeName = Literal["gpu-a", "gpu-b"]
Service = Literal["rendezvous"]
GIB = 1 << 30
MIB = 1 << 20


class Engine(Struct, frozen=True, forbid_unknown_fields=True):
    """One running copy of the model: its degrees, and the nodes its ranks run on.

    `progress` is how far it came: `waiting` for a placement group, at the `rendezvous`
    of its ranks, in NCCL's `bootstrap`, in its `init`, or `serving`.
    """

    tp: int = 16
    pp: int = 1
    nodes: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    progress: Literal["waiting", "rendezvous", "bootstrap", "init", "serving"] = "serving"


class Shm(Struct, frozen=True, forbid_unknown_fields=True):
    """`/dev/shm` in the containers; `runtime` is the container runtime's own default."""

    mib: int = 32 * 1024
    mounted: Literal["volume", "runtime"] = "volume"


class Scene(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole world of a scenario; the defaults are a healthy TP=16 group.

    `declared_tp` and `declared_pp` are what the specs ask for; `engines` is what runs.
    `ray_nodes` have joined Ray; `agents` are the nodes with an agent; SYNs to `dropped`
    services are dropped. The NICs of `without_gdr` nodes do not reach GPU memory, and
    `nccl_settings` are variables that NCCL finds set in every container. `logs` are kept,
    rotated away but for their last lines, or those of an earlier start a week ago.
    `engine_answers` is whether the engine's port answers; a `tenant` is a node where a process
    of another pod holds memory on the first GPU.
    """

    declared_tp: int = 16
    declared_pp: int = 1
    engines: tuple[Engine, ...] = (Engine(),)
    network: Literal["ib", "socket"] = "ib"
    shm: Shm = Shm()
    ray_nodes: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    agents: tuple[NodeName, ...] = ("gpu-a", "gpu-b")
    dropped: tuple[Service, ...] = ()
    without_gdr: tuple[NodeName, ...] = ()
    nccl_settings: dict[str, str] = field(default_factory=dict)
    logs: Literal["kept", "rotated", "last-week"] = "kept"
    engine_answers: bool = True
    tenant: NodeName | None = None


class Expected(Struct, frozen=True, forbid_unknown_fields=True):
    """What `verify` must say: `checks` maps ids to an outcome, or `outcome cause`."""

    verdict: Outcome
    exit: Annotated[int, Meta(ge=0, le=70)]
    checks: dict[str, str]


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """One file of `lab/scenarios`, named after it."""

    title: str
    story: str
    expect: Expected
    world: Scene = Scene()
    name: str = ""
