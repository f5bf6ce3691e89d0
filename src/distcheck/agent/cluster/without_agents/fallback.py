"""Nodes without an agent: the Kubernetes API alone, logs and one exec a pod, as the same evidence.

What only an agent on the node can see is Missing, and says so.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future

from msgspec import Struct, structs

from distcheck.agent import clock
from distcheck.agent.cluster.api import AT_ONCE, Api
from distcheck.agent.cluster.without_agents.api_log import ApiLog, read_log
from distcheck.agent.cluster.without_agents.exec_look import Inside, look_inside
from distcheck.agent.cluster.without_agents.fallback_pod import PodSeen, gpus_missing, pod_look
from distcheck.agent.cluster.without_agents.ray_ways import (
    RayQuestion,
    ask_ray,
    known_raylets,
    python_of,
)
from distcheck.agent.cluster.without_agents.through import ask_server, head_of
from distcheck.checks.evidence import Missing, NodeLook, Pod, RayCluster
from distcheck.checks.evidence.ray import RayLocal
from distcheck.checks.evidence.serving import EngineHttp

BY = "Kubernetes API"
"""What `NodeLook.agent` says where there was none."""
_MAX_SERVERS = 4
_SHARE = 0.6
"""Of the time that is left, for exec and logs; the rest is for what they lead to."""
_LEAST_SHARE = 5.0


class Outside(Struct, frozen=True):
    """How pods are looked at without an agent, until `deadline` (on `time.monotonic`).

    `forbidden` says who forbade exec; empty where nobody did. `gcs` is where the specs have
    Ray's GCS, for where no command line is to be seen.
    """

    api: Api
    deadline: float
    forbidden: str = ""
    progress: Callable[[str], None] = lambda _says: None
    ray_token: str = ""
    gcs: str = ""


class Looks(Struct, frozen=True):
    """Looks by node, and notes on what was not to be seen."""

    nodes: dict[str, NodeLook]
    notes: tuple[str, ...] = ()


def look_without_agents(
    outside: Outside, nodes: Mapping[str, Sequence[Pod]], why: Mapping[str, str], pool: Executor
) -> Looks:
    """A look at each node's pods; `why` says by node why no agent tells more. Never raises."""
    pods = [pod for pods in nodes.values() for pod in pods]
    early = _until(outside, time.monotonic() + (outside.deadline - time.monotonic()) * _SHARE)
    share = _share(early, len(pods))
    logs = [pool.submit(_log, early, pod, share) for pod in pods]
    insides = [pool.submit(_inside, early, pod, share) for pod in pods]
    seen = [
        PodSeen(pod, log.result(), inside.result())
        for pod, log, inside in zip(pods, logs, insides, strict=True)
    ]
    late = _until(outside, outside.deadline)
    ray_later = pool.submit(_ray, late, seen)
    http = _servers(late, seen, pool)
    ray = ray_later.result()
    looks = {}
    for node in nodes:
        here = [s for s in seen if s.pod.node == node]
        shown = tuple(pod_look(s, http.get(s.pod.key), why[node]) for s in here)
        gpus = gpus_missing(here, why[node])
        told = ray.get(node) or ray[""]
        links = Missing(f"RDMA links of {node} are seen by an agent only: {why[node]}")
        health = Missing(f"how GPUs of {node} are is seen by an agent only: {why[node]}")
        looks[node] = NodeLook(node, clock.now(), BY, gpus, told, shown, links, health)
    return Looks(looks, tuple(s.log.note for s in seen if s.log.note))


def _until(outside: Outside, deadline: float) -> Outside:
    return structs.replace(outside, api=outside.api.until(deadline), deadline=deadline)


def _share(outside: Outside, pods: int) -> float:
    """Seconds that one log or one exec may take, so that slow ones leave time for the others."""
    turns = -(-2 * pods // AT_ONCE)
    return max(_LEAST_SHARE, (outside.deadline - time.monotonic()) / max(1, turns))


def _log(outside: Outside, pod: Pod, share: float) -> ApiLog:
    return read_log(outside.api.until(min(outside.deadline, time.monotonic() + share)), pod)


def _inside(outside: Outside, pod: Pod, share: float) -> Inside | Missing:
    if outside.forbidden:
        return Missing(f"nothing was run in {pod.name} ({outside.forbidden})")
    if pod.phase != "Running":
        state = pod.waiting or pod.phase or "not running"
        return Missing(f"no command can run in {pod.name}: {state}")
    left = outside.deadline - time.monotonic()
    seen = look_inside(outside.api, pod, outside.deadline, min(share, left))
    outside.progress(f"{pod.name}: looked into")
    return seen


def _ray(outside: Outside, seen: Sequence[PodSeen]) -> dict[str, RayCluster | Missing]:
    """By node where it was asked; below the empty name why it was not asked elsewhere."""
    told = [s.inside.gcs for s in seen if isinstance(s.inside, Inside)]
    address = next((a for a in told if isinstance(a, str)), outside.gcs or None)
    if address is None:
        reasons = [t.reason for t in told if isinstance(t, Missing)]
        unseen = [s.inside.reason for s in seen if isinstance(s.inside, Missing)]
        return {"": Missing((reasons or unseen or ["no pod was looked into"])[0])}
    head = head_of(address, (s.pod for s in seen))
    if head is None or head.node is None:
        return {"": Missing(f"no pod without an agent runs Ray's GCS at {address}")}
    cluster = ask_ray(outside.api, _question(outside, head, address, seen), outside.deadline)
    once = f"Ray's GCS was asked in {head.name} alone"
    return {head.node: cluster, "": cluster if isinstance(cluster, Missing) else Missing(once)}


def _question(outside: Outside, head: Pod, address: str, seen: Sequence[PodSeen]) -> RayQuestion:
    fields = {s.pod.key: s.inside.fields for s in seen if isinstance(s.inside, Inside)}
    locals_ = {key: told.get("ray_local") for key, told in fields.items()}
    known = known_raylets(one for one in locals_.values() if isinstance(one, RayLocal))
    python = python_of(locals_.get(head.key))
    return RayQuestion(head, address, outside.ray_token, outside.forbidden, python, known)


def _servers(
    outside: Outside, seen: Sequence[PodSeen], pool: Executor
) -> dict[str, EngineHttp | Missing]:
    """The answers of the first few servers, by pod."""
    many = Missing(f"only the first {_MAX_SERVERS} servers were asked")
    asked: dict[str, Future[EngineHttp | Missing]] = {}
    for one in seen:
        server = one.inside.server if isinstance(one.inside, Inside) else one.inside
        if isinstance(server, tuple) and len(asked) < _MAX_SERVERS:
            asked[one.pod.key] = pool.submit(
                ask_server, outside.api, one.pod, server, outside.deadline
            )
    told: dict[str, EngineHttp | Missing] = {key: later.result() for key, later in asked.items()}
    for one in seen:
        server = one.inside.server if isinstance(one.inside, Inside) else one.inside
        told.setdefault(one.pod.key, server if isinstance(server, Missing) else many)
    return told
