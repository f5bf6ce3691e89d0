"""Listeners for a moment in pods' network namespaces: the question, and an agent's answer."""

from msgspec import Struct

NCCL, UNUSED = "nccl", "unused"
"""Services of a probe: NCCL's own range, and a port of it where nobody listens."""


class ListenAt(Struct, frozen=True):
    """A pod and the address to listen on, which has to be one of its own."""

    pod: str
    address: str


class AskedToListen(Struct, frozen=True):
    """Where to listen, and the addresses of the group from which connections are expected."""

    at: tuple[ListenAt, ...]
    sources: tuple[str, ...]


class Listens(Struct, frozen=True, omit_defaults=True):
    """A port of one pod that the agent listens on, and one that it holds and nobody listens on.

    `why` says why there is none. `ephemeral` is the pod's `ip_local_port_range`.
    """

    pod: str
    address: str
    port: int = 0
    unused: int = 0
    nonce: str = ""
    seconds: float = 0.0
    ephemeral: tuple[int, int] | None = None
    why: str = ""


class NodeListens(Struct, frozen=True):
    """One agent's answer."""

    node: str
    agent: str
    pods: tuple[Listens, ...] = ()
