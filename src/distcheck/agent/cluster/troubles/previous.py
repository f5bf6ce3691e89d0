"""What a container said last before it was started again."""

from collections.abc import Callable

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.kinds import POD

PreviousLog = Callable[[str, str], str]
"""(pod, container) to the end of the log of its life before; empty where there is none."""

_TAIL = [("previous", "true"), ("tailLines", "60"), ("limitBytes", "32768")]
_LOGS_READ = 4


def previous_log(api: Api, namespace: str) -> PreviousLog:
    """The ends of previous containers' logs, for the first few pods that are asked about."""
    asked: set[str] = set()

    def read(pod: str, container: str) -> str:
        asked.add(pod)
        if len(asked) > _LOGS_READ:
            return ""
        try:
            body = api.read(f"{POD.path(namespace, pod)}/log", [("container", container), *_TAIL])
        except ClusterError:
            return ""
        return body.decode("utf-8", "replace")

    return read
