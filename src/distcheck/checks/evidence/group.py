"""What the cluster says of a serving group: its pods, and what its specs ask for."""

from typing import Literal

from msgspec import Struct, field

Role = Literal["leader", "worker"]
Engine = Literal["vllm", "nim", "triton-trtllm", "sglang", "unknown"]


class Target(Struct, frozen=True):
    """The group that was asked for; `chosen` says how the name was understood."""

    namespace: str
    kind: str
    name: str
    chosen: str = ""


class ShmDeclared(Struct, frozen=True):
    """`/dev/shm` as the pod's spec declares it; `size_bytes` None where no limit is written."""

    size_bytes: int | None
    source: str


class Pod(Struct, frozen=True, omit_defaults=True):
    """One pod of the group as the API server shows it.

    `gpus` is the sum of GPU limits over its containers; `container` the one that holds them.
    `started_at` is when that container last started (RFC 3339). `hostname` is `spec.hostname`,
    which Jobs and JobSets set; empty where the pod's name is its hostname.
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

    @property
    def key(self) -> str:
        """`namespace/name`: how looks refer to this pod."""
        return f"{self.namespace}/{self.name}"


class Conflict(Struct, frozen=True):
    """Two places that ask for different things; the one not followed is kept here."""

    name: str
    value: str
    source: str


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


class Intent(Struct, frozen=True, omit_defaults=True):
    """What specs and command lines ask for; None where nothing says it.

    `gpus` and `nodes` are what the whole group should have. `sources` maps each field
    to the place it came from (`from` in JSON).
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

    @property
    def world_size(self) -> int | None:
        """Ranks of one copy of the model: TP x PP; None while TP is not known."""
        return None if self.tp is None else self.tp * (self.pp or 1)
