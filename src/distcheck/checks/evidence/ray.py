"""Ray's membership as its GCS tells it. Times are Unix milliseconds, ids are lower-case hex."""

from functools import cached_property
from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence.seen import Missing, Seen

RayletOutcome = Literal["serving", "refused", "no_answer", "error"]


class RayletProbe(Struct, frozen=True, omit_defaults=True):
    """How one raylet answered `grpc.health.v1.Health/Check`, the probe that GCS itself uses."""

    outcome: RayletOutcome
    detail: str = ""


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
    """One placement group: PENDING, PREPARED, CREATED, REMOVED, RESCHEDULING, or a number."""

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
    """

    address: str
    version: str = ""
    cluster_id: str = ""
    seen_at: str | None = None
    nodes: tuple[RayNode, ...] = ()
    placement_groups: tuple[PlacementGroup, ...] | Missing = ()
    actors: tuple[RayActor, ...] | Missing = ()

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
