"""One pod's row in the matrix of who reaches whose raylet."""

from collections.abc import Sequence
from pathlib import Path

from distcheck.agent import clock
from distcheck.agent.probes import raylets
from distcheck.agent.settings import Settings
from distcheck.checks.evidence.ray import RayletAnswers


def raylet_look(
    settings: Settings, pid: int, targets: Sequence[raylets.RayletTarget]
) -> RayletAnswers:
    """All `targets` asked from the pod of process `pid`; where it cannot be entered, from here.

    The pod's own raylet is asked too: one that does not answer even at home has another fault
    than one that only others do not reach.
    """
    now = clock.now()
    if settings.port_probes:
        namespace = Path(settings.host_proc) / str(pid) / "ns" / "net"
        try:
            seen = raylets.look(namespace, targets)
        except OSError:  # the look at ports says which right is missing
            pass
        else:
            return RayletAnswers(tuple(seen), f"network namespace of pid {pid}", seen_at=now)
    seen = raylets.look(None, targets)
    where = f"the agent on {settings.node}"
    return RayletAnswers(tuple(seen), where, inside=False, seen_at=now)
