"""One pod's row in the matrix of who reaches whose raylet."""

import threading
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from msgspec import Struct

from distcheck.agent import clock
from distcheck.agent.listeners import CONNECTIONS, Allowance
from distcheck.agent.netns import is_same
from distcheck.agent.probes import raylets
from distcheck.agent.probes.raylets import MAX_TARGETS, RayletTarget, not_asked
from distcheck.agent.settings import Settings
from distcheck.checks.evidence.ray import RayCluster, RayletAnswer, RayletAnswers

_HERE = Path("/proc/thread-self/ns/net")
_MOST_CLUSTERS = 8
_NO_MORE = f"more than {CONNECTIONS} connections in a minute"
_UNNAMED = "no GCS that this agent asked names it, and it does not ask from inside the pod"


class NamedRaylets:
    """The raylets that the GCSs which this agent asked last have named."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[tuple[str, int]]] = {}
        self._lock = threading.Lock()

    def remember(self, cluster: RayCluster) -> None:
        """Those of `cluster`, in place of what its GCS named before."""
        there = [n for n in cluster.nodes if n.alive]
        found = {(n.ip, n.node_manager_port) for n in there}
        found |= {(n.ip, n.object_manager_port) for n in there}
        with self._lock:
            self._of.pop(cluster.address, None)
            self._of[cluster.address] = frozenset(found)
            for oldest in list(self._of)[:-_MOST_CLUSTERS]:
                del self._of[oldest]

    def has(self, target: RayletTarget) -> bool:
        """Whether some GCS has it at that address and port."""
        with self._lock:
            return any((target.address, target.port) in named for named in self._of.values())


class RayletLooker(Struct, frozen=True):
    """Asks raylets; all pods of a question share what one is made of."""

    settings: Settings
    allowance: Allowance
    named: NamedRaylets
    pool: Executor | None = None

    def look(self, pid: int, targets: Sequence[RayletTarget]) -> RayletAnswers:
        """All `targets` asked from the pod of process `pid`; where it cannot be entered, from here.

        The pod's own raylet is asked too: one that does not answer even at home has another
        fault than one that only others do not reach. From here only those are asked that a
        GCS names.
        """
        now = clock.now()
        namespace = Path(self.settings.host_proc) / str(pid) / "ns" / "net"
        if self.settings.port_probes:
            try:
                seen = self._asked(namespace, targets, shared=False)
            except OSError:  # the look at ports says which right is missing
                pass
            else:
                return RayletAnswers(seen, f"network namespace of pid {pid}", seen_at=now)
        known = {t for t in targets if self.named.has(t)}
        seen = self._asked(
            None, [t for t in targets if t in known], shared=is_same(namespace, _HERE)
        )
        left = (not_asked(t, _UNNAMED) for t in targets if t not in known)
        where = f"the agent on {self.settings.node}"
        return RayletAnswers((*seen, *left), where, inside=False, seen_at=now)

    def _asked(
        self, namespace: Path | None, targets: Sequence[RayletTarget], *, shared: bool
    ) -> tuple[RayletAnswer, ...]:
        first, more = targets[:MAX_TARGETS], targets[MAX_TARGETS:]
        granted = self.allowance.take(len(first))
        barred = (self.settings.api_server,)
        seen = raylets.look(namespace, first[:granted], barred, shared=shared, pool=self.pool)
        left = (not_asked(t, _NO_MORE) for t in first[granted:])
        return (*seen, *left, *(not_asked(t, raylets.TOO_MANY) for t in more))
