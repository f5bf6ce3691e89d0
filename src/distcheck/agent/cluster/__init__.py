"""The Kubernetes side: find the serving group, read its intent, reach the agents."""

from distcheck.agent.cluster.api import Api, connect
from distcheck.agent.cluster.errors import (
    Ambiguous,
    ClusterError,
    Misconfigured,
    NotFound,
    Refused,
    Unreachable,
)
from distcheck.agent.cluster.gather import gather
from distcheck.agent.cluster.group import Group, find_group
from distcheck.agent.cluster.target import TargetError

__all__ = [
    "Ambiguous",
    "Api",
    "ClusterError",
    "Group",
    "Misconfigured",
    "NotFound",
    "Refused",
    "TargetError",
    "Unreachable",
    "connect",
    "find_group",
    "gather",
]
