"""What the agent last answered to `verify` or `serve`, for its metrics: it asks nobody itself.

A question is of some pods; what it told of other pods before stays.
"""

import threading
from collections.abc import Iterable, Mapping

from msgspec import Struct

from distcheck.checks.evidence import Cite, Missing, NodeLook, RayCluster
from distcheck.checks.evidence.node import PortProbes
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.checks.facts.network_paths import RANGE, Path, Tried

FRESH = 900.0
"""Seconds for which an answer is shown: the world may have changed since."""
MAX_PODS = 256
SERVICES = (RANGE, "gcs", "rendezvous", "node_manager", "object_manager", "http")
"""What a port is for; anything else is `other`."""


class Answer(Struct, frozen=True):
    """What was told of one pod at `at` (seconds since 1970).

    `reached` says of peers, by name and service, whether they were; `ray` is of the GCS that
    the pod names.
    """

    key: str
    at: float
    reached: dict[tuple[str, str], bool]
    http: EngineHttp | Missing
    ray: RayCluster | None = None


class Answers:
    """The last answer of each pod, by uid. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Answer] = {}

    def remember(self, look: NodeLook, uids: Mapping[str, str], asked_ray: str, now: float) -> None:
        """Keep an answer; `uids` by `namespace/name`, `asked_ray` is the pod that names the GCS."""
        told = {
            uids[pod.pod]: Answer(
                pod.pod,
                now,
                _reached(pod.pod, pod.ports),
                pod.engine_http,
                look.ray if isinstance(look.ray, RayCluster) and pod.pod == asked_ray else None,
            )
            for pod in look.pods
            if pod.pod in uids
        }
        with self._lock:
            kept = {u: a for u, a in self._kept.items() if u not in told} | told
            self._kept = dict(list(kept.items())[-MAX_PODS:])

    def only(self, uids: Iterable[str]) -> None:
        """Forget all pods but these."""
        with self._lock:
            self._kept = {uid: self._kept[uid] for uid in uids if uid in self._kept}

    def fresh(self, now: float) -> tuple[Answer, ...]:
        """Those that are not too old, by name."""
        with self._lock:
            kept = [a for a in self._kept.values() if now - a.at <= FRESH]
        return tuple(sorted(kept, key=lambda a: (a.key, -a.at)))

    def http(self, uid: str, now: float) -> EngineHttp | Missing:
        """What the engine of a pod said when it was asked last."""
        with self._lock:
            kept = self._kept.get(uid)
        if kept is None or now - kept.at > FRESH:
            return Missing("nobody asked the engine of late")
        return kept.http


def _reached(key: str, ports: PortProbes | Missing) -> dict[tuple[str, str], bool]:
    """By peer and service, as NET001 counts it: what is blocked, else what was reached."""
    if isinstance(ports, Missing):
        return {}
    by_peer: dict[str, list[Tried]] = {}
    for probe in ports.probes:
        by_peer.setdefault(probe.peer, []).append(Tried(probe, Cite("tried", ports.where)))
    found: dict[tuple[str, str], bool] = {}
    for peer, tried in by_peer.items():
        path, name = Path(key, peer, tuple(tried)), peer.rpartition("/")[2]
        found |= {(name, _service(t)): True for t in path.reached}
        found |= {(name, _service(t)): False for t in path.blocked}
    return found


def _service(tried: Tried) -> str:
    name = RANGE if tried.in_range else tried.probe.service
    return name if name in SERVICES else "other"
