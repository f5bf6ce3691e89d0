"""A container's log as the API server gives it: from its start, with the kubelet's time stamps."""

import re
from datetime import datetime

from msgspec import Struct

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.logs.distil import Distilled, Distiller
from distcheck.checks.evidence import Missing, Pod

LIMIT = 64 << 20
"""Bytes of one log; the kubelet serves its latest file only, of 10 MiB unless it is told."""
_LATE = 30.0
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d{1,9})?(Z|[+-]\d\d:\d\d) ", re.ASCII)


class ApiLog(Struct, frozen=True):
    """What a log shows, or why it is not read; `note` says where its start is lost."""

    log: Distilled | Missing
    note: str | None = None


def read_log(api: Api, pod: Pod) -> ApiLog:
    """The log of the pod's main container since it last started, distilled as it comes.

    `limitBytes` counts from the start of what is asked for, where the lines of the start are.
    """
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
    since = [("sinceTime", pod.started_at)] if pod.started_at else []
    query = [("container", pod.container), ("timestamps", "true"), ("limitBytes", str(LIMIT))]
    source = f"API log of {pod.name}:{pod.container}"
    distiller, head, size = Distiller(source), b"", 0
    try:
        for chunk in api.chunks(path, [*query, *since]):
            head, size = head or chunk[:64], size + len(chunk)
            distiller.feed(chunk)
    except ClusterError as error:
        if not size:
            return ApiLog(Missing(f"{source}: {error}"))
        return ApiLog(distiller.finish(f"{source} is read only in part: {error}"))
    cut = f"{source} is read only in part: it has {LIMIT >> 20} MiB" if size >= LIMIT else None
    return ApiLog(distiller.finish(cut), _late(source, head, pod.started_at))


def _late(source: str, head: bytes, started_at: str | None) -> str | None:
    """Where the first line is much younger than the container, lines before it may be lost.

    The API server serves the latest file: what the kubelet rotated is not in it.
    """
    found = _STAMP.match(head)
    if found is None or started_at is None:
        return None
    first, zone = found[1].decode(), found[2].decode()
    try:
        begun = datetime.fromisoformat(started_at)
        after = (datetime.fromisoformat(first + zone) - begun).total_seconds()
    except (ValueError, TypeError):
        return None
    if after < _LATE:
        return None
    return (
        f"{source} begins at {first}{zone}, {after:.0f} s after the container started:"
        " the start of the log may be lost (the API server serves no rotated file)"
    )
