"""Ray for the lab: real processes where Ray is installed, or a GCS that replays a recording."""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from typing import Protocol

from distcheck.lab.ray_real import RealRay
from distcheck.lab.ray_replay import ReplayedRay, Told

__all__ = ["LabRay", "RealRay", "ReplayedRay", "Told", "make_ray", "ray_is_installed"]

Nodes = Sequence[tuple[str, int]]
"""The nodes that have joined: IP and GPUs of each, the head first."""


class LabRay(Protocol):
    """A Ray cluster of the lab."""

    @property
    def address(self) -> str:
        """`ip:port` of the GCS; known before `start`."""

    @property
    def gcs_port(self) -> int:
        """The port of the GCS."""

    def start(self) -> None:
        """Return when every node has joined."""

    def stop(self) -> None:
        """End all of it; harmless when it never started."""

    def node_ports(self) -> Mapping[str, Sequence[int]]:
        """The ports that each node's row names, by IP; the GCS's own with the head's."""


def ray_is_installed() -> bool:
    """Whether this interpreter can start a real Ray."""
    return importlib.util.find_spec("ray") is not None


def make_ray(
    nodes: Nodes,
    *,
    port: int = 0,
    real: bool | None = None,
    told: Told = Told(),  # noqa: B008 - frozen
) -> LabRay:
    """A cluster of `nodes`, not yet started; port 0 takes a free one; a replayed one is `told`.

    `real` None means a real cluster wherever Ray is installed, unless DISTCHECK_LAB_RAY is
    `replayed`: that starts at once, where two real nodes need five seconds and half a gigabyte.

    Raises:
        ValueError: no node is given: a Ray cluster has a head at least.
    """
    if not nodes:
        raise ValueError("a Ray cluster needs a head")
    if real is None:
        real = ray_is_installed() and os.environ.get("DISTCHECK_LAB_RAY") != "replayed"
    return RealRay(nodes, port=port) if real else ReplayedRay(nodes, port=port, told=told)
