"""The enumerations of Ray's GCS by number, and its method names (Ray 2.9.3 to 2.60.0)."""

import re

CHECK_ALIVE = "NodeInfoGcsService/CheckAlive"
CLUSTER_ID = "NodeInfoGcsService/GetClusterId"
NODES = "NodeInfoGcsService/GetAllNodeInfo"
AVAILABLE = "NodeResourceInfoGcsService/GetAllAvailableResources"
GROUPS = "PlacementGroupInfoGcsService/GetAllPlacementGroup"
ACTORS = "ActorInfoGcsService/GetAllActorInfo"
METHODS = (CHECK_ALIVE, CLUSTER_ID, NODES, AVAILABLE, GROUPS, ACTORS)

ENGINE_ACTORS = ("RayWorkerWrapper", "RayWorkerProc", "RayWorkerVllm")
"""Class names of vLLM's workers: SPMD and older, the V2 executor, and before 0.4."""

Table = tuple[str, ...]

NODE_STATE: Table = ("ALIVE", "DEAD")
ACTIVITY: Table = ("", "IDLE", "ACTIVE", "DRAINING")
NODE_DEATH: Table = (
    "",
    "EXPECTED_TERMINATION",
    "UNEXPECTED_TERMINATION",
    "AUTOSCALER_DRAIN_PREEMPTED",
    "AUTOSCALER_DRAIN_IDLE",
)
STRATEGY: Table = ("PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD")
SCHEDULING: Table = (
    "QUEUED",
    "REMOVED",
    "SCHEDULING_STARTED",
    "NO_RESOURCES",
    "INFEASIBLE",
    "FAILED_TO_COMMIT_RESOURCES",
    "FINISHED",
)
ACTOR_STATE: Table = ("DEPENDENCIES_UNREADY", "PENDING_CREATION", "ALIVE", "RESTARTING", "DEAD")
ACTOR_DEATH: Table = (
    "",
    "WORKER_DIED",
    "OWNER_DIED",
    "NODE_DIED",
    "RAY_KILL",
    "OUT_OF_SCOPE",
    "REF_DELETED",
)
_GROUP_STATE: Table = ("PENDING", "PREPARED", "CREATED", "REMOVED", "RESCHEDULING")
_GROUP_STATE_TO_2_35: Table = ("PENDING", "CREATED", "REMOVED", "RESCHEDULING")
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,6})")


def name(table: Table, number: int) -> str:
    """The name of `number`, or the number itself where this table does not know it."""
    return table[number] if 0 <= number < len(table) else str(number)


def group_states(version: str) -> Table:
    """The states of placement groups; Ray 2.36 put PREPARED between PENDING and CREATED.

    Empty without a version: the numbers have two meanings.
    """
    found = _VERSION.match(version)
    if found is None:
        return ()
    is_old = (int(found[1]), int(found[2])) < (2, 36)
    return _GROUP_STATE_TO_2_35 if is_old else _GROUP_STATE


def group_state(number: int, version: str) -> str:
    """A placement group's state by its number."""
    return name(group_states(version), number)
