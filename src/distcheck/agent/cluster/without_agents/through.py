"""Ray's GCS and the engine's HTTP server, asked through a port-forward to their pod."""

import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from distcheck.agent import clock
from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.without_agents.tunnel import Tunnel
from distcheck.agent.http_get import Server
from distcheck.agent.probes import engine_http, gcs
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import Missing, Pod, RayCluster
from distcheck.checks.evidence.serving import EngineHttp

_GCS_SECONDS = 8.0
_OWN_NETWORK = Path("/proc/self/ns/net")


def head_of(address: str, pods: Iterable[Pod]) -> Pod | None:
    """The pod that Ray's GCS at `address` runs in: the one of that IP, else the leader."""
    host = address.rpartition(":")[0].strip("[]")
    every = list(pods)
    named = (p for p in every if host in (p.ip, p.name) or host.startswith(f"{p.name}."))
    return next(named, next((p for p in every if p.role == "leader"), None))


def ask_gcs(api: Api, head: Pod, address: str, deadline: float) -> RayCluster | Missing:
    """What the GCS tells, asked in its own pod. Never raises."""
    where = f"Ray's GCS in {head.name}"
    try:
        _, port = gcs.parse_address(address)
    except ValueError as error:
        return Missing(f"{where}: {error}")
    seconds = min(_GCS_SECONDS, deadline - time.monotonic())
    if seconds <= 0:
        return Missing(f"{where} was not asked: no time is left")
    try:
        with Tunnel(api, head, port, deadline) as tunnel:
            seen = gcs.look(f"127.0.0.1:{tunnel.port}", timeout=seconds)
            said = tunnel.error
    except OSError as error:
        return Missing(f"{where} was not asked: {error}")
    if isinstance(seen, Missing):
        return Missing(f"{where} (port-forward): {said or seen.reason}")
    return structs.replace(seen, address=address)


def ask_server(
    api: Api, pod: Pod, server: tuple[int, int], deadline: float
) -> EngineHttp | Missing:
    """What the engine's server (pid, port) of the pod says. Never raises."""
    pid, port = server
    where = f"port-forward to {pod.name}:{port}"
    if deadline <= time.monotonic():
        return Missing(f"{where}: no time is left")
    now = clock.now()
    said = ""
    try:
        with Tunnel(api, pod, port, deadline) as tunnel:
            here = Server(pid, _OWN_NETWORK, "127.0.0.1", tunnel.port)
            try:
                seen = engine_http.look(here, now)
            finally:
                said = tunnel.error
    except (ProbeError, OSError) as error:
        return Missing(f"{where}: {said or error}")
    return structs.replace(seen, address=where)
