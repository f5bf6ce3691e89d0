"""The door to Ray: asks a GCS over plain gRPC, without Ray and without its dashboard.

Requests are empty and no cluster id is sent, which Ray 2.9.3 to 2.60.0 answer alike.
"""

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from msgspec import structs

from distcheck.agent import clock, grpc_health
from distcheck.agent.grpc_call import Failure, call, open_channel
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.ray import RayCluster, RayletProbe, RayNode

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\s\[\]/]+)\]|(?P<name>[^\s:/\[\]]+)):(?P<port>\d{1,5})")
_CHECK_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_CONNECT_SECONDS = 3.0
_LARGEST = 64 << 20


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPv6]:PORT`.

    Raises:
        ValueError: it has another form, or the port is not 1 to 65535.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise ValueError(f"{address!r} is not the HOST:PORT of a Ray GCS, like 10.0.0.2:6379")
    return found["v6"] or found["name"], int(found["port"])


def look(
    address: str, *, timeout: float = 5.0, token: str | None = None, raylets: bool = False
) -> RayCluster | Missing:
    """What the GCS at `address` (host:port) tells, within `timeout` seconds. Never raises.

    `token` is the cluster's bearer token (`RAY_AUTH_MODE=token`); it is sent, never kept.
    With `raylets`, every ALIVE node's raylet is asked from here too, in 3 more seconds.
    """
    try:
        host, port = parse_address(address)
    except ValueError as error:
        return Missing(str(error))
    deadline = time.monotonic() + timeout
    peer = _peer(host, port, min(timeout, _CONNECT_SECONDS))
    if isinstance(peer, RayletProbe):
        return Missing(f"Ray's GCS at {address}: {peer.detail}")
    seen = _ask(address, (peer, port), deadline, token)
    if isinstance(seen, Missing):
        return Missing(f"Ray's GCS at {address}: {seen.reason}")
    return _with_raylets(seen) if raylets else seen


def health(ip: str, port: int, timeout: float = 3.0) -> RayletProbe:
    """One raylet's own answer to gRPC `Health/Check`; it needs no token. Never raises."""
    deadline = time.monotonic() + timeout
    peer = _peer(ip, port, timeout)
    if isinstance(peer, RayletProbe):
        return peer
    try:
        with socket.create_connection((peer, port), timeout) as connection:
            return RayletProbe(*grpc_health.health(connection, deadline))
    except OSError as error:
        return RayletProbe("error", f"cannot connect: {error}")


def _peer(host: str, port: int, seconds: float) -> str | RayletProbe:
    """The IP that takes TCP connections there, or why none does.

    gRPC alone hides it: dropped packets and a silent server both run into its deadline.
    """
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            return str(connection.getpeername()[0])
    except ConnectionRefusedError:
        return RayletProbe("refused", "connection refused: nothing listens on that port")
    except TimeoutError:
        dropped = "a firewall or network policy drops the packets, or the host is down"
        return RayletProbe("no_answer", f"no answer to TCP within {seconds:g} s: {dropped}")
    except socket.gaierror as error:
        return RayletProbe("error", f"the name {host} does not resolve: {error.strerror}")
    except (OSError, UnicodeError) as error:
        return RayletProbe("error", f"cannot connect: {error}")


def _ask(
    address: str, peer: tuple[str, int], deadline: float, token: str | None
) -> RayCluster | Missing:
    from distcheck.agent.probes.ray_proto import decode, tables  # noqa: PLC0415 - start-up time

    with _channel(*peer) as channel:
        first = call(channel, _CHECK_ALIVE, deadline, token)
        if isinstance(first, Failure):
            return Missing(_reason(first, token))
        replies: dict[str, bytes | Missing] = {tables.CHECK_ALIVE: first}
        for method in tables.METHODS[1:]:
            reply = call(channel, f"/ray.rpc.{method}", deadline, token)
            if isinstance(reply, Failure):
                replies[method] = Missing(f"{method}: {_reason(reply, token)}")
            else:
                replies[method] = reply
    seen = decode.cluster(address, clock.now(), replies)
    return seen if isinstance(seen, Missing) else _scrubbed(seen)


def _scrubbed(seen: RayCluster) -> RayCluster:
    """Without secrets in Ray's words for deaths, which quote the exceptions of programs."""
    nodes = (structs.replace(n, death_message=scrubbed(n.death_message)) for n in seen.nodes)
    actors = seen.actors
    if not isinstance(actors, Missing):
        actors = tuple(structs.replace(a, death=scrubbed(a.death)) for a in actors)
    return structs.replace(seen, nodes=tuple(nodes), actors=actors)


def _channel(ip: str, port: int) -> Any:
    target = f"ipv6:[{ip}]:{port}" if ":" in ip else f"ipv4:{ip}:{port}"
    return open_channel(target, _LARGEST)


_REASONS = (
    ("UNAUTHENTICATED", "WrongClusterID", "belongs to another cluster: the head was restarted"),
    ("UNAUTHENTICATED", "", "needs a token (RAY_AUTH_MODE=token), and none was given"),
    ("UNIMPLEMENTED", "", "answers gRPC, but not this call: it is not a Ray GCS, or too old a one"),
    ("DEADLINE_EXCEEDED", "", "takes connections but does not answer gRPC in time"),
    ("UNAVAILABLE", "http1", "is not gRPC: an HTTP/1 server listens on that port"),
    ("UNAVAILABLE", "HTTP/2", "is not gRPC: another kind of server listens on that port"),
    ("UNAVAILABLE", "refused", "connection refused: nothing listens on that port"),
    ("UNAVAILABLE", "", "is not gRPC, or closed the connection"),
    ("INTERNAL", "Invalid metadata", "the token has characters that cannot be sent"),
)


def _reason(failure: Failure, token: str | None) -> str:
    """Why a call failed, in words; never gRPC's text where that could hold the token."""
    if failure.code == "UNAUTHENTICATED" and token and "WrongCluster" not in failure.details:
        return "refused the token"
    known = (w for c, part, w in _REASONS if c == failure.code and part in failure.details)
    return next(known, f"{failure.code}: {failure.details[:200]}")


def _with_raylets(seen: RayCluster) -> RayCluster:
    with ThreadPoolExecutor(max_workers=16) as pool:
        return structs.replace(seen, nodes=tuple(pool.map(_probed, seen.nodes)))


def _probed(node: RayNode) -> RayNode:
    if not node.alive or node.node_manager_port <= 0:
        return node
    return structs.replace(node, raylet=health(node.ip, node.node_manager_port))
