"""What one exec in a pod shows, as parts of the same evidence that an agent gives."""

import time

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError, NotFound
from distcheck.agent.cluster.without_agents import collector
from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy, new_copy
from distcheck.agent.cluster.without_agents.copy_reading import CopyReading, Inside
from distcheck.agent.cluster.without_agents.exec_in import Ended, exec_in
from distcheck.checks.evidence import Missing, Pod

__all__ = ["Inside", "look_inside"]

_SECONDS, _LEAST = 20, 3
"""How long the collector may run in the container, at most and at least."""
_TO_BRING = 0.8


def look_inside(api: Api, pod: Pod, deadline: float, seconds: float) -> Inside | Missing:
    """One exec in the pod's main container, two where it has no Python. Never raises.

    It may take `seconds`, of which a part is kept to read what it brought; all ends at
    `deadline` (on `time.monotonic`).
    """
    where = f"exec in {pod.name}"
    try:
        with new_copy() as copy:
            return _looked(api, pod, copy, deadline, seconds)
    except ClusterError as error:
        return Missing(f"{where}: {error}")
    except OSError as error:
        return Missing(f"{where}: no place for what it brings: {error.strerror or error}")


def _looked(
    api: Api, pod: Pod, copy: ContainerCopy, deadline: float, seconds: float
) -> Inside | Missing:
    until = min(deadline, time.monotonic() + max(seconds, _LEAST) * _TO_BRING)
    ended = _collected(api, pod, copy, until, max(_LEAST, min(_SECONDS, int(seconds))))
    if not copy.by:
        why = ended.why or copy.broken or "it printed nothing"
        return Missing(f"exec in {pod.name}: {why}")
    copy.finish()
    return CopyReading(pod, copy, ended.why, deadline).inside()


def _collected(api: Api, pod: Pod, copy: ContainerCopy, deadline: float, seconds: int) -> Ended:
    try:
        ended = exec_in(api, pod, collector.by_python(seconds), copy.take, deadline)
    except NotFound as error:
        raise NotFound(f"its container cannot be entered: {error}") from error
    if ended.started:
        return ended
    ended = exec_in(api, pod, collector.by_shell(), copy.take, deadline)
    if ended.started:
        return ended
    return Ended(f"the image has neither python3 nor sh, so nothing inside is seen ({ended.why})")
