"""Evidence: what probes saw, with where and when. JSON on disk, frozen structs in memory."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distcheck.checks.evidence.document import (
        EVIDENCE_SCHEMA,
        Evidence,
        EvidenceError,
        decode_evidence,
        encode_evidence,
    )
    from distcheck.checks.evidence.engine import EngineLog
    from distcheck.checks.evidence.gpu import MigSlice
    from distcheck.checks.evidence.group import (
        Conflict,
        Intent,
        Pod,
        Rollout,
        ShmDeclared,
        Target,
        Trouble,
    )
    from distcheck.checks.evidence.nccl import NcclLog
    from distcheck.checks.evidence.node import (
        Allocated,
        Allocation,
        Connection,
        GpuDevice,
        GpuProcess,
        Gpus,
        ListeningPort,
        ListeningPorts,
        ModelConfig,
        NodeLook,
        PodLook,
        PortProbe,
        PortProbes,
        Process,
        Processes,
        ShmMount,
    )
    from distcheck.checks.evidence.ray import RayCluster
    from distcheck.checks.evidence.seen import Cite, Missing, Seen
    from distcheck.checks.evidence.serving import EngineArguments, EngineFolder, EngineHttp
    from distcheck.checks.evidence.vllm import VllmLog

__all__ = [
    "EVIDENCE_SCHEMA",
    "Allocated",
    "Allocation",
    "Cite",
    "Conflict",
    "Connection",
    "EngineArguments",
    "EngineFolder",
    "EngineHttp",
    "EngineLog",
    "Evidence",
    "EvidenceError",
    "GpuDevice",
    "GpuProcess",
    "Gpus",
    "Intent",
    "ListeningPort",
    "ListeningPorts",
    "MigSlice",
    "Missing",
    "ModelConfig",
    "NcclLog",
    "NodeLook",
    "Pod",
    "PodLook",
    "PortProbe",
    "PortProbes",
    "Process",
    "Processes",
    "RayCluster",
    "Rollout",
    "Seen",
    "ShmDeclared",
    "ShmMount",
    "Target",
    "Trouble",
    "VllmLog",
    "decode_evidence",
    "encode_evidence",
]

_NAMES = {
    "document": "EVIDENCE_SCHEMA Evidence EvidenceError decode_evidence encode_evidence",
    "engine": "EngineLog",
    "gpu": "GpuDevice GpuProcess Gpus MigSlice",
    "group": "Conflict Intent Pod Rollout ShmDeclared Target Trouble",
    "nccl": "NcclLog",
    "node": (
        "Allocated Allocation Connection ListeningPort ListeningPorts ModelConfig NodeLook PodLook "
        "PortProbe PortProbes"
    ),
    "process": "Process Processes",
    "ray": "RayCluster",
    "seen": "Cite Missing Seen",
    "serving": "EngineArguments EngineFolder EngineHttp",
    "shm": "ShmMount",
    "vllm": "VllmLog",
}
"""By module: a command imports those that it needs, of which most need few."""


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names.split():
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(name)
