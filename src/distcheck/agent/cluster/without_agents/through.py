"""Ray's GCS and the engine's HTTP server, asked through a port-forward to their pod."""

import json
import time
from collections.abc import Iterable
from pathlib import Path

from msgspec import structs

from distcheck.agent import clock
from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.without_agents.tunnel import Tunnel
from distcheck.agent.grpc_bounds import OF_USER
from distcheck.agent.http_get import NoAnswerError, Server, answer
from distcheck.agent.probes import engine_http, gcs
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.ray_proto import decode
from distcheck.agent.ray_rows import BrokenRowsError, of_rest
from distcheck.agent.redact import one_line
from distcheck.checks.evidence import Missing, Pod, RayCluster
from distcheck.checks.evidence.ray import GCS_BROKEN, GCS_REFUSED, NEEDS_TOKEN
from distcheck.checks.evidence.serving import EngineHttp

_GCS_SECONDS = 8.0
_DASHBOARD = 8265
_LIST = "detail=True&limit=10000"
_REST = {
    "version": "/api/version",
    "nodes": f"/api/v0/nodes?{_LIST}",
    "groups": f"/api/v0/placement_groups?{_LIST}",
    "actors": f"/api/v0/actors?{_LIST}",
}
_OWN_NETWORK = Path("/proc/self/ns/net")


def head_of(address: str, pods: Iterable[Pod]) -> Pod | None:
    """The pod that Ray's GCS at `address` runs in: the one of that IP, else the leader."""
    host = address.rpartition(":")[0].strip("[]")
    every = list(pods)
    named = (p for p in every if host in (p.ip, p.name) or host.startswith(f"{p.name}."))
    return next(named, next((p for p in every if p.role == "leader"), None))


def ask_gcs(
    api: Api, head: Pod, address: str, deadline: float, token: str = ""
) -> RayCluster | Missing:
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
            here = f"127.0.0.1:{tunnel.port}"
            seen = gcs.look(here, timeout=seconds, token=token or None, bounds=OF_USER)
            said = tunnel.error
    except OSError as error:
        return Missing(f"{where} was not asked: {error}")
    if isinstance(seen, Missing):
        hint = "; give it by --ray-token-file" if seen.cause == NEEDS_TOKEN else ""
        why = said or seen.reason.removeprefix(f"Ray's GCS at {here}: ")
        return Missing(f"{where} (port-forward): {why}{hint}", _cause(said) or seen.cause)
    return structs.replace(seen, address=address, source=f"port-forward to {head.name}")


def _cause(said: str) -> str:
    """Of the kubelet's words: it connects inside the pod, to any of its addresses there."""
    if "refused" in said:
        return GCS_REFUSED
    return GCS_BROKEN if said else ""


def ask_dashboard(api: Api, head: Pod, address: str, deadline: float) -> RayCluster | Missing:
    """What the dashboard in the head's pod tells of the same GCS. Never raises.

    Its `/api/v0` asks the GCS anew; `/nodes` would be a memory of minutes. It listens only where
    `ray[default]` is installed.
    """
    where = f"Ray's dashboard in {head.name}"
    answers: dict[str, object] = {}
    try:
        with Tunnel(api, head, _DASHBOARD, deadline) as tunnel:
            here = Server(0, _OWN_NETWORK, "127.0.0.1", tunnel.port)
            for name, path in _REST.items():
                answers[name] = _told(here, path, needed=name in ("version", "nodes"))
                if deadline <= time.monotonic():
                    return Missing(f"{where}: no time is left")
    except (NoAnswerError, ValueError, RecursionError, OSError) as error:
        return Missing(f"{where}: {tunnel.error or one_line(str(error))}")
    return _of_dashboard(where, address, answers)


def _told(here: Server, path: str, *, needed: bool) -> object:
    """The JSON there; Missing where it fails, and what comes with it is of use without it."""
    try:
        return json.loads(answer(here, path))
    except (NoAnswerError, ValueError, RecursionError) as error:
        if needed:
            raise
        return Missing(one_line(str(error)))


def _of_dashboard(where: str, address: str, told: dict[str, object]) -> RayCluster | Missing:
    version = told["version"]
    number = version.get("ray_version") if isinstance(version, dict) else None
    try:
        replies = of_rest(str(number or ""), told["nodes"], told["groups"], told["actors"])
    except BrokenRowsError as error:
        return Missing(f"{where}: {error}")
    seen = decode.cluster(address, clock.now(), replies)
    if isinstance(seen, Missing):
        return Missing(f"{where}: {seen.reason}")
    weak = (f"{where} tells neither ports, free GPUs nor strategies",)
    return structs.replace(gcs.scrub(seen), way="rest", source=where, weak=weak)


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
