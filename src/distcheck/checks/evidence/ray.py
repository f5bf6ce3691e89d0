"""Ray's membership as its GCS tells it. Times are Unix milliseconds, ids are lower-case hex."""

from functools import cached_property
from typing import Literal

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Missing, Seen

RayletOutcome = Literal["serving", "open", "refused", "no_answer", "error"]
"""`open` is a port that takes connections, and was asked nothing more."""

Way = Literal["grpc", "exec", "rest", "status"]
"""How Ray was asked, the one that knows most first: its GCS, the Ray of the image, REST, text."""

NEEDS_TOKEN, TOKEN_REFUSED, NEEDS_TLS = "needs_token", "token_refused", "needs_tls"
GCS_REFUSED, GCS_SILENT, GCS_UNRESOLVED = "gcs_refused", "gcs_silent", "gcs_unresolved"
NOT_A_GCS, GCS_BROKEN = "not_a_gcs", "gcs_broken"
"""`Missing.cause` of a GCS that did not tell: with the first two it is alive and answers.

Refused: nothing listens there. Silent: no answer to TCP, or none to gRPC. Broken: any other end.
"""


class RayletProbe(Struct, frozen=True, omit_defaults=True):
    """How one raylet answered `grpc.health.v1.Health/Check`, the probe that GCS itself uses."""

    outcome: RayletOutcome
    detail: str = ""


class RayletAnswer(Struct, frozen=True, omit_defaults=True):
    """How the raylet (`node_manager`) or the object store (`object_manager`) of a peer answered.

    `peer` is the pod that was asked (`namespace/name`). The first is asked for its health, and
    of the second one connection is made.
    """

    peer: str
    ip: str
    port: int
    service: str
    outcome: RayletOutcome
    detail: str = ""
    seconds: float = 0.0


class RayletAnswers(Seen, frozen=True, tag="raylets"):
    """All raylets that were asked from one pod: one row of the matrix of who reaches whom.

    `inside` is True where they were asked from the pod's own network namespace; else from the
    agent on its node, which a network policy may treat otherwise than the pod.
    """

    answers: tuple[RayletAnswer, ...]
    where: str
    inside: bool = True
    seen_at: str | None = None


class LocalRaylet(Struct, frozen=True, omit_defaults=True):
    """A raylet that runs in a pod, by its command line: what it was told, joined or not.

    `gpus` is what `ray start` claims for it (None where nothing says it), `cluster_id` the
    cluster that it joined (Ray 2.40 and newer). `started_at` is RFC 3339.
    """

    pid: int
    gcs_address: str = ""
    node_id: str = ""
    node_ip: str = ""
    gpus: float | None = None
    session: str = ""
    cluster_id: str = ""
    is_head: bool = False
    started_at: str | None = None


class LocalGcs(Struct, frozen=True, omit_defaults=True):
    """A `gcs_server` that runs in a pod: a head is here. `address` is host:port."""

    pid: int
    address: str = ""
    session: str = ""
    started_at: str | None = None


class LocalStart(Struct, frozen=True, omit_defaults=True):
    """A `ray start` that runs in a pod: beside a raylet it waits (`--block`), else it still tries.

    `address` is the head that it was told, as it was told it.
    """

    pid: int
    address: str = ""
    is_head: bool = False
    started_at: str | None = None


class RayLocal(Seen, frozen=True, tag="ray-local"):
    """What of Ray runs in one pod, by its processes; nothing of it was asked.

    `ray_version` and `python_version` are of the container's own packages (`versions_from`
    says where that was read), empty where they were not found: they may differ from the head's.
    `ports` are those that the session's files name for this node (`node_manager`, `gcs_server`,
    `metrics_export`, ...), `current_cluster` is the address in `ray_current_cluster`, and
    `python` the path of the interpreter that Ray's workers run with.
    """

    raylets: tuple[LocalRaylet, ...] = ()
    heads: tuple[LocalGcs, ...] = ()
    starts: tuple[LocalStart, ...] = ()
    ray_version: str = ""
    python_version: str = ""
    versions_from: str = ""
    ports: dict[str, int] = field(default_factory=dict)
    current_cluster: str = ""
    source: str = ""
    seen_at: str | None = None
    python: str = ""

    @property
    def waiting(self) -> tuple[LocalStart, ...]:
        """Each `ray start` that has not got through: no raylet runs beside it."""
        return () if self.raylets else self.starts


class RayNode(Struct, frozen=True, omit_defaults=True):
    """One row of GCS's node table.

    `state` is ALIVE, DEAD, or the bare number of a state that this version does not know.
    `gpus_available` is None where GCS does not tell (a DEAD node, or the call failed).
    A port of 0 or less means none. DEAD rows stay after a node has come back with a new id.
    """

    id: str
    ip: str
    state: str
    hostname: str = ""
    gpus: float = 0.0
    gpus_available: float | None = None
    is_head: bool = False
    node_manager_port: int = 0
    object_manager_port: int = 0
    metrics_export_port: int = 0
    runtime_env_agent_port: int = 0
    activity: str = ""
    start_ms: int = 0
    end_ms: int = 0
    death_reason: str = ""
    death_message: str = ""
    raylet: RayletProbe | None = None
    metrics_agent_port: int = 0
    dashboard_agent_port: int = 0

    @property
    def alive(self) -> bool:
        """GCS counts this node as a member."""
        return self.state == "ALIVE"

    @property
    def death(self) -> str:
        """GCS's own words for why the node is DEAD; empty where it gave none."""
        return ", ".join(filter(None, (self.death_reason, self.death_message)))


class Bundle(Struct, frozen=True, omit_defaults=True):
    """One bundle of a placement group; `node_id` is empty while it is not placed.

    `pinned_ip` is the address of a `node:<ip>` resource in the bundle.
    """

    index: int
    gpus: float = 0.0
    node_id: str = ""
    pinned_ip: str = ""


class PlacementGroup(Struct, frozen=True, omit_defaults=True):
    """One placement group: PENDING, PREPARED, CREATED, REMOVED, RESCHEDULING, or a number.

    `asked_ms` is when GCS was asked for it, by GCS's clock; 0 where it does not say.
    """

    id: str
    state: str
    strategy: str = "PACK"
    name: str = ""
    bundles: tuple[Bundle, ...] = ()
    detached: bool = False
    creator_job: str = ""
    creator_job_dead: bool = False
    creator_actor_dead: bool = False
    scheduling: str = ""
    attempts: int = 0
    asked_ms: int = 0


class RayActor(Struct, frozen=True, omit_defaults=True):
    """One actor of the engine; `gpu_indices` are the physical GPUs that Ray gave to it.

    `pid` is 0 while it waits for resources, and set while it starts.
    """

    id: str
    class_name: str
    state: str
    name: str = ""
    pid: int = 0
    ip: str = ""
    node_id: str = ""
    gpu_indices: tuple[int, ...] = ()
    placement_group: str = ""
    bundle: int | None = None
    start_ms: int = 0
    end_ms: int = 0
    death: str = ""


class RayCluster(Seen, frozen=True, dict=True, tag="ray-cluster"):
    """What one GCS answered: its node table, placement groups and the engine's actors.

    `address` is where it was asked (`host:port`), `cluster_id` changes when a head restarts
    without a database. A call that failed alone leaves its part Missing.
    `way` is how it was asked and `source` from where, in words (`port-forward to head-0`);
    `tried` are the better ways that failed before, each with why. `weak` says what this way
    does not show, empty where it shows all. `left_out` are rows beyond those that are kept:
    DEAD nodes of long ago, by kind (`nodes`, `actors`, `placement_groups`).
    """

    address: str
    version: str = ""
    cluster_id: str = ""
    seen_at: str | None = None
    nodes: tuple[RayNode, ...] = ()
    placement_groups: tuple[PlacementGroup, ...] | Missing = ()
    actors: tuple[RayActor, ...] | Missing = ()
    way: Way = "grpc"
    source: str = ""
    tried: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def changed_ms(self) -> int:
        """When a node last joined or died, by the GCS's clock; 0 where no row says it."""
        return max((max(n.start_ms, n.end_ms) for n in self.nodes), default=0)

    @cached_property
    def by_ip(self) -> dict[str, list[RayNode]]:
        """Rows of the node table by address."""
        return _grouped(self.nodes, "ip")

    @cached_property
    def by_hostname(self) -> dict[str, list[RayNode]]:
        """Rows of the node table by host name."""
        return _grouped(self.nodes, "hostname")


def _grouped(nodes: tuple[RayNode, ...], name: str) -> dict[str, list[RayNode]]:
    found: dict[str, list[RayNode]] = {}
    for node in nodes:
        found.setdefault(getattr(node, name), []).append(node)
    return found
