from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import Any as _Any, ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Status(_message.Message):
    __slots__ = ("code", "message")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class CheckAliveReply(_message.Message):
    __slots__ = ("status", "ray_version")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RAY_VERSION_FIELD_NUMBER: _ClassVar[int]
    status: Status
    ray_version: str
    def __init__(self, status: _Optional[_Union[Status, _Mapping[str, _Any]]] = ..., ray_version: _Optional[str] = ...) -> None: ...

class GetClusterIdReply(_message.Message):
    __slots__ = ("status", "cluster_id")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    status: Status
    cluster_id: bytes
    def __init__(self, status: _Optional[_Union[Status, _Mapping[str, _Any]]] = ..., cluster_id: _Optional[bytes] = ...) -> None: ...

class Snapshot(_message.Message):
    __slots__ = ("state",)
    STATE_FIELD_NUMBER: _ClassVar[int]
    state: int
    def __init__(self, state: _Optional[int] = ...) -> None: ...

class DeathInfo(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: int
    message: str
    def __init__(self, reason: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class Node(_message.Message):
    __slots__ = ("node_id", "address", "node_manager_port", "object_manager_port", "state", "hostname", "metrics_export_port", "resources_total", "node_name", "start_time_ms", "end_time_ms", "is_head_node", "runtime_env_agent_port", "snapshot", "death_info", "metrics_agent_port", "dashboard_agent_port")
    class ResourcesTotalEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NODE_MANAGER_PORT_FIELD_NUMBER: _ClassVar[int]
    OBJECT_MANAGER_PORT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    HOSTNAME_FIELD_NUMBER: _ClassVar[int]
    METRICS_EXPORT_PORT_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_TOTAL_FIELD_NUMBER: _ClassVar[int]
    NODE_NAME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    IS_HEAD_NODE_FIELD_NUMBER: _ClassVar[int]
    RUNTIME_ENV_AGENT_PORT_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    DEATH_INFO_FIELD_NUMBER: _ClassVar[int]
    METRICS_AGENT_PORT_FIELD_NUMBER: _ClassVar[int]
    DASHBOARD_AGENT_PORT_FIELD_NUMBER: _ClassVar[int]
    node_id: bytes
    address: str
    node_manager_port: int
    object_manager_port: int
    state: int
    hostname: str
    metrics_export_port: int
    resources_total: _containers.ScalarMap[str, float]
    node_name: str
    start_time_ms: int
    end_time_ms: int
    is_head_node: bool
    runtime_env_agent_port: int
    snapshot: Snapshot
    death_info: DeathInfo
    metrics_agent_port: int
    dashboard_agent_port: int
    def __init__(self, node_id: _Optional[bytes] = ..., address: _Optional[str] = ..., node_manager_port: _Optional[int] = ..., object_manager_port: _Optional[int] = ..., state: _Optional[int] = ..., hostname: _Optional[str] = ..., metrics_export_port: _Optional[int] = ..., resources_total: _Optional[_Mapping[str, float]] = ..., node_name: _Optional[str] = ..., start_time_ms: _Optional[int] = ..., end_time_ms: _Optional[int] = ..., is_head_node: _Optional[bool] = ..., runtime_env_agent_port: _Optional[int] = ..., snapshot: _Optional[_Union[Snapshot, _Mapping[str, _Any]]] = ..., death_info: _Optional[_Union[DeathInfo, _Mapping[str, _Any]]] = ..., metrics_agent_port: _Optional[int] = ..., dashboard_agent_port: _Optional[int] = ...) -> None: ...

class GetAllNodeInfoReply(_message.Message):
    __slots__ = ("status", "nodes")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    status: Status
    nodes: _containers.RepeatedCompositeFieldContainer[Node]
    def __init__(self, status: _Optional[_Union[Status, _Mapping[str, _Any]]] = ..., nodes: _Optional[_Iterable[_Union[Node, _Mapping[str, _Any]]]] = ...) -> None: ...

class NodeResources(_message.Message):
    __slots__ = ("node_id", "available")
    class AvailableEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    node_id: bytes
    available: _containers.ScalarMap[str, float]
    def __init__(self, node_id: _Optional[bytes] = ..., available: _Optional[_Mapping[str, float]] = ...) -> None: ...

class GetAllAvailableResourcesReply(_message.Message):
    __slots__ = ("status", "nodes")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    NODES_FIELD_NUMBER: _ClassVar[int]
    status: Status
    nodes: _containers.RepeatedCompositeFieldContainer[NodeResources]
    def __init__(self, status: _Optional[_Union[Status, _Mapping[str, _Any]]] = ..., nodes: _Optional[_Iterable[_Union[NodeResources, _Mapping[str, _Any]]]] = ...) -> None: ...

class BundleId(_message.Message):
    __slots__ = ("placement_group_id", "index")
    PLACEMENT_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    placement_group_id: bytes
    index: int
    def __init__(self, placement_group_id: _Optional[bytes] = ..., index: _Optional[int] = ...) -> None: ...

class BundleData(_message.Message):
    __slots__ = ("id", "resources", "node_id")
    class ResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    id: BundleId
    resources: _containers.ScalarMap[str, float]
    node_id: bytes
    def __init__(self, id: _Optional[_Union[BundleId, _Mapping[str, _Any]]] = ..., resources: _Optional[_Mapping[str, float]] = ..., node_id: _Optional[bytes] = ...) -> None: ...

class PlacementGroupStats(_message.Message):
    __slots__ = ("creation_request_received_ns", "scheduling_attempt", "scheduling_state")
    CREATION_REQUEST_RECEIVED_NS_FIELD_NUMBER: _ClassVar[int]
    SCHEDULING_ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    SCHEDULING_STATE_FIELD_NUMBER: _ClassVar[int]
    creation_request_received_ns: int
    scheduling_attempt: int
    scheduling_state: int
    def __init__(self, creation_request_received_ns: _Optional[int] = ..., scheduling_attempt: _Optional[int] = ..., scheduling_state: _Optional[int] = ...) -> None: ...

class PlacementGroupData(_message.Message):
    __slots__ = ("id", "name", "bundles", "strategy", "state", "creator_job_id", "creator_job_dead", "creator_actor_dead", "is_detached", "stats")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATOR_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    CREATOR_JOB_DEAD_FIELD_NUMBER: _ClassVar[int]
    CREATOR_ACTOR_DEAD_FIELD_NUMBER: _ClassVar[int]
    IS_DETACHED_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    name: str
    bundles: _containers.RepeatedCompositeFieldContainer[BundleData]
    strategy: int
    state: int
    creator_job_id: bytes
    creator_job_dead: bool
    creator_actor_dead: bool
    is_detached: bool
    stats: PlacementGroupStats
    def __init__(self, id: _Optional[bytes] = ..., name: _Optional[str] = ..., bundles: _Optional[_Iterable[_Union[BundleData, _Mapping[str, _Any]]]] = ..., strategy: _Optional[int] = ..., state: _Optional[int] = ..., creator_job_id: _Optional[bytes] = ..., creator_job_dead: _Optional[bool] = ..., creator_actor_dead: _Optional[bool] = ..., is_detached: _Optional[bool] = ..., stats: _Optional[_Union[PlacementGroupStats, _Mapping[str, _Any]]] = ...) -> None: ...

class GetAllPlacementGroupReply(_message.Message):
    __slots__ = ("status", "groups")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    status: Status
    groups: _containers.RepeatedCompositeFieldContainer[PlacementGroupData]
    def __init__(self, status: _Optional[_Union[Status, _Mapping[str, _Any]]] = ..., groups: _Optional[_Iterable[_Union[PlacementGroupData, _Mapping[str, _Any]]]] = ...) -> None: ...

class ActorAddress(_message.Message):
    __slots__ = ("node_id", "ip")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    IP_FIELD_NUMBER: _ClassVar[int]
    node_id: bytes
    ip: str
    def __init__(self, node_id: _Optional[bytes] = ..., ip: _Optional[str] = ...) -> None: ...

class ResourceIndex(_message.Message):
    __slots__ = ("index", "quantity")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    index: int
    quantity: float
    def __init__(self, index: _Optional[int] = ..., quantity: _Optional[float] = ...) -> None: ...

class ResourceIndexes(_message.Message):
    __slots__ = ("name", "ids")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    ids: _containers.RepeatedCompositeFieldContainer[ResourceIndex]
    def __init__(self, name: _Optional[str] = ..., ids: _Optional[_Iterable[_Union[ResourceIndex, _Mapping[str, _Any]]]] = ...) -> None: ...

class CreationFailure(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class ActorDied(_message.Message):
    __slots__ = ("message", "reason")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    message: str
    reason: int
    def __init__(self, message: _Optional[str] = ..., reason: _Optional[int] = ...) -> None: ...

class ErrorText(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class DeathCause(_message.Message):
    __slots__ = ("creation", "died", "unschedulable", "out_of_memory")
    CREATION_FIELD_NUMBER: _ClassVar[int]
    DIED_FIELD_NUMBER: _ClassVar[int]
    UNSCHEDULABLE_FIELD_NUMBER: _ClassVar[int]
    OUT_OF_MEMORY_FIELD_NUMBER: _ClassVar[int]
    creation: CreationFailure
    died: ActorDied
    unschedulable: ErrorText
    out_of_memory: ErrorText
    def __init__(self, creation: _Optional[_Union[CreationFailure, _Mapping[str, _Any]]] = ..., died: _Optional[_Union[ActorDied, _Mapping[str, _Any]]] = ..., unschedulable: _Optional[_Union[ErrorText, _Mapping[str, _Any]]] = ..., out_of_memory: _Optional[_Union[ErrorText, _Mapping[str, _Any]]] = ...) -> None: ...

class ActorData(_message.Message):
    __slots__ = ("actor_id", "state", "address", "name", "resource_mapping", "pid", "start_time_ms", "end_time_ms", "class_name", "death_cause", "required_resources", "node_id", "placement_group_id")
    class RequiredResourcesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ACTOR_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ADDRESS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_MAPPING_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    START_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    END_TIME_MS_FIELD_NUMBER: _ClassVar[int]
    CLASS_NAME_FIELD_NUMBER: _ClassVar[int]
    DEATH_CAUSE_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_RESOURCES_FIELD_NUMBER: _ClassVar[int]
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    actor_id: bytes
    state: int
    address: ActorAddress
    name: str
    resource_mapping: _containers.RepeatedCompositeFieldContainer[ResourceIndexes]
    pid: int
    start_time_ms: int
    end_time_ms: int
    class_name: str
    death_cause: DeathCause
    required_resources: _containers.ScalarMap[str, float]
    node_id: bytes
    placement_group_id: bytes
    def __init__(self, actor_id: _Optional[bytes] = ..., state: _Optional[int] = ..., address: _Optional[_Union[ActorAddress, _Mapping[str, _Any]]] = ..., name: _Optional[str] = ..., resource_mapping: _Optional[_Iterable[_Union[ResourceIndexes, _Mapping[str, _Any]]]] = ..., pid: _Optional[int] = ..., start_time_ms: _Optional[int] = ..., end_time_ms: _Optional[int] = ..., class_name: _Optional[str] = ..., death_cause: _Optional[_Union[DeathCause, _Mapping[str, _Any]]] = ..., required_resources: _Optional[_Mapping[str, float]] = ..., node_id: _Optional[bytes] = ..., placement_group_id: _Optional[bytes] = ...) -> None: ...

class GetAllActorInfoReply(_message.Message):
    __slots__ = ("status", "actors")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ACTORS_FIELD_NUMBER: _ClassVar[int]
    status: Status
    actors: _containers.RepeatedCompositeFieldContainer[ActorData]
    def __init__(self, status: _Optional[_Union[Status, _Mapping[str, _Any]]] = ..., actors: _Optional[_Iterable[_Union[ActorData, _Mapping[str, _Any]]]] = ...) -> None: ...
