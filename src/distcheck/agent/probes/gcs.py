"""The door to Ray: asks a GCS over plain gRPC, without Ray and without its dashboard.

Requests are empty and no cluster id is sent, which Ray 2.9.3 to 2.60.0 answer alike.
"""

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from msgspec import structs

from distcheck.agent import clock, grpc_health
from distcheck.agent.grpc_bounds import OF_AGENT, Bounds, too_much
from distcheck.agent.grpc_call import Failure, call, open_channel
from distcheck.agent.redact import one_line, scrubbed
from distcheck.checks.evidence import Missing, ray
from distcheck.checks.evidence.ray import RayCluster, RayletProbe, RayNode

Look = Callable[[str], RayCluster | Missing]
_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\s\[\]/]+)\]|(?P<name>[^\s:/\[\]]+)):(?P<port>[0-9]{1,5})")
_CHECK_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_CONNECT_SECONDS, _HEALTH_SECONDS = 3.0, 1.0


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPv6]:PORT`.

    Raises:
        ValueError: it has another form, or the port is not 1 to 65535.
    """
    found = _ADDRESS.fullmatch(address)
    if found is not None and int(found["port"]) >= 1 << 16:
        raise ValueError(f"{address!r} is no HOST:PORT: 65535 is the highest port, GCS's is 6379")
    if found is None or not int(found["port"]):
        raise ValueError(f"{address!r} is not the HOST:PORT of a Ray GCS, like 10.0.0.2:6379")
    return found["v6"] or found["name"], int(found["port"])


def look(
    address: str,
    *,
    timeout: float = 5.0,
    token: str | None = None,
    raylets: bool = False,
    bounds: Bounds = OF_AGENT,
) -> RayCluster | Missing:
    """What the GCS at `address` (host:port) tells, within `timeout` seconds. Never raises.

    `token` is the cluster's bearer token (`RAY_AUTH_MODE=token`); it is sent where the GCS
    asks for one, and never kept. With `raylets`, every ALIVE node's raylet is asked from here
    too, in 3 more seconds. Answers beyond `bounds` are not read. A Missing has one of
    the causes of `evidence.ray`.
    """
    try:
        host, port = parse_address(address)
    except ValueError as error:
        return Missing(str(error))
    deadline = time.monotonic() + timeout
    peer = _peer(host, port, min(timeout, _CONNECT_SECONDS))
    seen = (
        peer if isinstance(peer, Missing) else _ask(address, (peer, port), deadline, token, bounds)
    )
    if isinstance(seen, Missing):
        return Missing(f"Ray's GCS at {address}: {seen.reason}", seen.cause or ray.GCS_BROKEN)
    return _with_raylets(seen) if raylets else seen


def health(ip: str, port: int, timeout: float = 3.0) -> RayletProbe:
    """One raylet's own answer to gRPC `Health/Check`; it needs no token. Never raises."""
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((ip, port), timeout) as connection:
            return RayletProbe(*grpc_health.health(connection, deadline))
    except ConnectionRefusedError:
        return RayletProbe("refused", _REFUSED)
    except TimeoutError:
        return RayletProbe("no_answer", f"no answer to TCP within {timeout:g} s")
    except (OSError, UnicodeError) as error:
        return RayletProbe("error", f"cannot connect: {error}")


def _peer(host: str, port: int, seconds: float) -> str | Missing:
    """The IP that takes TCP connections there, or why none does.

    gRPC alone hides it: dropped packets and a silent server both run into its deadline.
    """
    try:
        with socket.create_connection((host, port), timeout=seconds) as connection:
            return str(connection.getpeername()[0])
    except ConnectionRefusedError:
        return Missing(_REFUSED, ray.GCS_REFUSED)
    except TimeoutError:
        dropped = "a firewall or network policy drops the packets, or the host is down"
        return Missing(f"no answer to TCP within {seconds:g} s: {dropped}", ray.GCS_SILENT)
    except socket.gaierror as error:
        says = f"the name {host} does not resolve: {error.strerror}"
        return Missing(says, ray.GCS_UNRESOLVED)
    except (OSError, UnicodeError) as error:
        return Missing(f"cannot connect: {error}")


def _ask(
    address: str, peer: tuple[str, int], deadline: float, token: str | None, bounds: Bounds
) -> RayCluster | Missing:
    from distcheck.agent.probes.ray_proto import decode, tables  # noqa: PLC0415 - start-up time

    with open_channel(_target(*peer), bounds.largest) as channel:
        first = call(channel, _CHECK_ALIVE, deadline)
        sent = token if isinstance(first, Failure) and _wants_token(first) else None
        if sent:
            first = call(channel, _CHECK_ALIVE, deadline, sent)
        if isinstance(first, Failure):
            return _failed(first, sent, peer)
        replies: dict[str, bytes | Missing] = {tables.CHECK_ALIVE: first}
        for method in tables.METHODS[1:]:
            reply = call(channel, f"/ray.rpc.{method}", deadline, sent)
            if isinstance(reply, Failure):
                cause, says = _reason(reply, sent)
                replies[method] = Missing(f"{method}: {says}", cause)
            else:
                more = too_much(reply, bounds)
                replies[method] = reply if more is None else Missing(f"{method}: {more}")
    seen = decode.cluster(address, clock.now(), replies)
    return seen if isinstance(seen, Missing) else scrub(seen)


def _wants_token(failure: Failure) -> bool:
    return failure.code == "UNAUTHENTICATED" and "WrongCluster" not in failure.details


def _failed(failure: Failure, token: str | None, peer: tuple[str, int]) -> Missing:
    """Why the first call failed, and what the server says that needs no right to ask."""
    cause, says = _reason(failure, token)
    if failure.code == "UNAVAILABLE" and _speaks_tls(*peer):
        return Missing(_TLS, ray.NEEDS_TLS)
    if cause == ray.GCS_SILENT and health(*peer, _HEALTH_SECONDS).outcome == "serving":
        says += "; its health check does answer, so it is alive"
    return Missing(says, cause)


def _speaks_tls(ip: str, port: int) -> bool:
    """Whether a handshake begins there; how it ends depends on certificates, and does not count."""
    import ssl  # noqa: PLC0415 - start-up time

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection((ip, port), _HEALTH_SECONDS) as connection,
            context.wrap_socket(connection),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def scrub(seen: RayCluster) -> RayCluster:
    """Without secrets in Ray's words for deaths, which quote the exceptions of programs."""
    nodes = (structs.replace(n, death_message=scrubbed(n.death_message)) for n in seen.nodes)
    actors = seen.actors
    if not isinstance(actors, Missing):
        actors = tuple(structs.replace(a, death=scrubbed(a.death)) for a in actors)
    return structs.replace(seen, nodes=tuple(nodes), actors=actors)


def _target(ip: str, port: int) -> str:
    return f"ipv6:[{ip}]:{port}" if ":" in ip else f"ipv4:{ip}:{port}"


_REFUSED = "connection refused: nothing listens on that port"
_TLS = "speaks TLS (RAY_USE_TLS=1), for which certificates of the cluster are needed"
_HTTP = "HTTP/1 is spoken there, not gRPC: is that the dashboard (8265)? GCS listens on 6379"
_TABLE = (
    ("UNAUTHENTICATED", "WrongClusterID", ray.GCS_BROKEN, "belongs to another cluster: restarted"),
    ("UNAUTHENTICATED", "", ray.NEEDS_TOKEN, "it is alive, and needs a token to tell more"),
    (
        *("UNIMPLEMENTED", "", ray.NOT_A_GCS),
        "answers gRPC, but not this call: it is not a Ray GCS, or too old a one",
    ),
    ("DEADLINE_EXCEEDED", "", ray.GCS_SILENT, "takes connections but does not answer gRPC in time"),
    ("UNAVAILABLE", "http1", ray.NOT_A_GCS, _HTTP),
    (
        *("UNAVAILABLE", "HTTP/2", ray.NOT_A_GCS),
        "another kind of server than gRPC listens on that port",
    ),
    ("UNAVAILABLE", "refused", ray.GCS_REFUSED, _REFUSED),
    ("UNAVAILABLE", "", ray.NOT_A_GCS, "is not gRPC, or closed the connection"),
    ("INTERNAL", "Invalid metadata", "", "the token has characters that cannot be sent"),
)


def _reason(failure: Failure, token: str | None) -> tuple[str, str]:
    """Cause and words of a failed call; never gRPC's text where that could hold the token."""
    if token and _wants_token(failure):
        return ray.TOKEN_REFUSED, "refused the token"
    known = (
        (cause, words)
        for code, part, cause, words in _TABLE
        if code == failure.code and part in failure.details
    )
    return next(known, ("", f"{failure.code}: {one_line(failure.details)}"))


def _with_raylets(seen: RayCluster) -> RayCluster:
    with ThreadPoolExecutor(max_workers=16) as pool:
        return structs.replace(seen, nodes=tuple(pool.map(_probed, seen.nodes)))


def _probed(node: RayNode) -> RayNode:
    if not node.alive or node.node_manager_port <= 0:
        return node
    return structs.replace(node, raylet=health(node.ip, node.node_manager_port))
