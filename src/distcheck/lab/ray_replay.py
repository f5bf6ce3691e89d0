"""A GCS that answers with a recording of a real one, its addresses made those of the lab."""

import hashlib
import json
import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from msgspec import Struct, field

from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.agent.probes.ray_proto import tables
from distcheck.lab.listeners import Dropper
from distcheck.lab.machine import free_port

_RECORDING = "ray-2.60.0.json"
Nodes = Sequence[tuple[str, int]]


class Told(Struct, frozen=True):
    """What a GCS tells beside its nodes: `groups` and `actors` are replies, `taken` GPUs by IP.

    `address` is what the head calls itself, where that is not its IP; raylets of `cut` drop
    what comes.
    """

    groups: bytes = b""
    actors: bytes = b""
    taken: dict[str, float] = field(default_factory=dict)
    address: str = ""
    cut: tuple[str, ...] = ()


class ReplayedRay:
    """A server on the head's GCS port; `dead` nodes had joined and died.

    The ports in the rows are free ones: raylets and their object stores answer there.
    With `token` it tells nothing to others than those who have it.
    """

    def __init__(
        self,
        nodes: Nodes,
        *,
        port: int = 0,
        dead: Nodes = (),
        told: Told = Told(),  # noqa: B008 - frozen
        recording: str = _RECORDING,
        token: str | None = None,
    ) -> None:
        self._head = nodes[0][0]
        self.gcs_port = port or free_port()
        self.address = f"{self._head}:{self.gcs_port}"
        self._ports = {ip: (free_port(), free_port()) for ip, _ in (*nodes, *dead)}
        self._cut, self._dropped = told.cut, list[Dropper]()
        self._raylets = [
            f"{ip}:{port}" for ip, _ in nodes for port in self._ports[ip][ip in self._cut :]
        ]
        self.replies = _rewritten(recording, nodes, dead, self._ports)
        self.replies = _with(self.replies, told)
        self._token = token
        self._server: Any = None

    def start(self) -> None:
        """Answer from now on.

        Raises:
            RuntimeError: the address cannot be bound.
        """
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
        from distcheck.lab.ray_server import ReplayServer  # noqa: PLC0415 - loads grpc

        self._dropped = [Dropper(ip, self._ports[ip][0]) for ip in self._cut]
        self._server = ReplayServer(
            self.replies, self.address, token=self._token, raylets=self._raylets
        )

    def stop(self) -> None:
        """Stop answering: the port is closed."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        while self._dropped:
            self._dropped.pop().close()

    def node_ports(self) -> dict[str, list[int]]:
        """Ports by IP, as the rows name them; the GCS's own with the head's; none that drops."""
        ports = {ip: list(own[ip in self._cut :]) for ip, own in self._ports.items()}
        ports[self._head].append(self.gcs_port)
        return ports


def recorded(name: str, state: str) -> dict[str, bytes]:
    """The replies by method of one recorded state (`alive`: two nodes; `dead`: one lost)."""
    file = resources.files("distcheck.lab") / "recordings" / name
    states: dict[str, dict[str, str]] = json.loads(file.read_text())["states"]
    return {method: b64decode(reply) for method, reply in states[state].items()}


def _rewritten(
    recording: str, nodes: Nodes, dead: Nodes, ports: Mapping[str, tuple[int, int]]
) -> dict[str, bytes]:
    """The recorded replies with rows for `nodes` and `dead` in place of the recorded ones."""
    replies = recorded(recording, "alive")
    head, worker = _rows(replies)
    lost = _rows(recorded(recording, "dead"))[1]
    rows = [_row(worker if i else head, one, ports) for i, one in enumerate(nodes)]
    gone = [_row(lost, one, ports) for one in dead]
    table = pb.GetAllNodeInfoReply(nodes=[*rows, *gone])
    free = pb.GetAllAvailableResourcesReply(nodes=[_free(row) for row in rows])
    return replies | {
        tables.NODES: table.SerializeToString(),
        tables.AVAILABLE: free.SerializeToString(),
    }


def _with(replies: Mapping[str, bytes], told: Told) -> dict[str, bytes]:
    """The replies with groups and actors, fewer GPUs free, and the head's own idea of its IP."""
    table = pb.GetAllNodeInfoReply.FromString(replies[tables.NODES])
    free = pb.GetAllAvailableResourcesReply.FromString(replies[tables.AVAILABLE])
    where = {row.node_id: row.address for row in table.nodes}
    for node in free.nodes:
        left = node.available["GPU"] - told.taken.get(where.get(node.node_id, ""), 0.0)
        node.available.pop("GPU")
        if left > 0:
            node.available["GPU"] = left
    for row in table.nodes:
        if row.is_head_node and told.address:
            row.address = row.node_name = told.address
    return dict(replies) | {
        tables.NODES: table.SerializeToString(),
        tables.AVAILABLE: free.SerializeToString(),
        tables.GROUPS: told.groups,
        tables.ACTORS: told.actors,
    }


def node_id(ip: str, state: int = 0) -> bytes:
    """The id of the row of `ip` in the replayed table; 0 is ALIVE."""
    return hashlib.sha224(f"{state} {ip}".encode()).digest()


def _rows(replies: Mapping[str, bytes]) -> list[pb.Node]:
    """The recorded head's row, then the worker's."""
    rows = pb.GetAllNodeInfoReply.FromString(replies[tables.NODES]).nodes
    return sorted(rows, key=lambda row: not row.is_head_node)


def _row(template: pb.Node, one: tuple[str, int], ports: Mapping[str, tuple[int, int]]) -> pb.Node:
    ip, gpus = one
    row = pb.Node()
    row.CopyFrom(template)
    row.node_id = node_id(ip, template.state)
    row.address = row.node_name = ip
    row.node_manager_port, row.object_manager_port = ports[ip]
    row.runtime_env_agent_port = row.metrics_export_port = -1
    for key in [k for k in row.resources_total if k.startswith("node:") and "__" not in k]:
        del row.resources_total[key]
    row.resources_total[f"node:{ip}"] = 1.0
    row.resources_total.pop("GPU", None)
    if gpus:
        row.resources_total["GPU"] = float(gpus)
    return row


def _free(row: pb.Node) -> pb.NodeResources:
    return pb.NodeResources(node_id=row.node_id, available=dict(row.resources_total))
