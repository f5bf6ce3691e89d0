"""The cluster side of a command: from TARGET to evidence, with the exit code of each failure."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from distcheck import __version__
from distcheck.agent.cli import exit as codes
from distcheck.agent.cli.asked import Asked
from distcheck.agent.cli.progress import Progress
from distcheck.agent.cluster import errors
from distcheck.agent.cluster.api import connect
from distcheck.agent.cluster.gather import gather
from distcheck.agent.cluster.group import Group, find_group
from distcheck.checks.evidence import Evidence, NodeLook

_NOT_OURS_TO_MEND = (errors.Unreachable, errors.Refused)


def gathering(asked: Asked, *, agents: bool, progress: Progress) -> Callable[[], Evidence]:
    """A function that gathers once, from a cluster that is connected to now.

    Raises:
        Stop: no usable configuration (code 2). So does the function: the target is not found
            or ambiguous (2), or the API server cannot be reached or refuses (3).
    """
    with _said():
        api = connect(asked.kubeconfig, asked.context, timeout=min(asked.timeout, 10.0))
    namespace = asked.namespace or api.namespace

    def look() -> Evidence:
        with _said():
            progress(f"looking for {asked.target} in namespace {namespace}")
            group = find_group(api, namespace, asked.target)
            if not agents:
                return _unasked(group)
            return gather(api, group, timeout=asked.timeout, progress=progress)

    return look


def _unasked(group: Group) -> Evidence:
    """Only what the API server tells: every node is unseen, and the reason is the caller's."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    nodes = dict.fromkeys(p.node for p in group.pods if p.node)
    looks = tuple(
        NodeLook.unseen(n, now, f"agents were not asked (--no-agents): {n}") for n in nodes
    )
    return Evidence(__version__, now, group.target, group.intent, group.pods, looks)


@contextmanager
def _said() -> Iterator[None]:
    """What the cluster does not give, as one line and an exit code."""
    try:
        yield
    except _NOT_OURS_TO_MEND as error:
        raise codes.Stop(codes.UNKNOWN, f"unknown: {error}") from error
    except errors.ClusterError as error:
        raise codes.usage(str(error)) from error
