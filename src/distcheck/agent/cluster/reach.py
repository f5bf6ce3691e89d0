"""The agents: who they are, and what they answer through a port-forward."""

import contextlib
import time
from http.client import HTTPException, HTTPMessage, parse_headers
from io import BytesIO
from typing import Any

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import Refused, Unreachable
from distcheck.agent.cluster.stream import Stream

Object = dict[str, Any]

AGENT_LABEL = "app.kubernetes.io/name=distcheck-agent"
AGENT_NAMESPACE = "distcheck"
EVIDENCE_PORT = 9411

_DATA, _ERROR = 0, 1
_MAX_ANSWER = 64 * 1024 * 1024
_END_OF_HEAD = b"\r\n\r\n"


def find_agents(api: Api) -> dict[str, Object]:
    """The agent pods by the node that they run on.

    Looks in all namespaces, and where that is forbidden in `distcheck` alone.

    Raises:
        Refused, Unreachable: not even that could be listed.
    """
    query = [("labelSelector", AGENT_LABEL)]
    try:
        pods = api.items("/api/v1/pods", query)
    except Refused:
        pods = api.items(f"/api/v1/namespaces/{AGENT_NAMESPACE}/pods", query)
    return {p["spec"]["nodeName"]: p for p in sorted(pods, key=_serves) if _placed(p)}


def _placed(pod: Object) -> bool:
    return bool(pod.get("spec", {}).get("nodeName"))


def _serves(pod: Object) -> bool:
    """Sorts the pod that serves last: during an update a node has an old and a new one."""
    gone = pod["metadata"].get("deletionTimestamp")
    return pod.get("status", {}).get("phase") == "Running" and not gone


def fetch(api: Api, agent: Object, target: str, *, timeout: float) -> bytes:
    """The body of `GET target` from an agent's evidence door, within `timeout` seconds.

    A port-forward ends a second late, so the body is taken as its Content-Length says.

    Raises:
        Refused: the caller may not port-forward to the agent's pod.
        NotFound: the pod is gone.
        Unreachable: nobody listens, the answer is cut or late, or its status is not 200.
    """
    deadline = time.monotonic() + timeout
    meta = agent["metadata"]
    path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/portforward"
    stream = api.stream(path, [("ports", str(EVIDENCE_PORT))])
    try:
        request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        with contextlib.suppress(Unreachable):  # the kubelet's refusal may wait to be read
            stream.send(_DATA, request.encode("ascii"))
        return _body(stream, deadline)
    finally:
        stream.close()


def _body(stream: Stream, deadline: float) -> bytes:
    received = _Port(stream, deadline)
    while _END_OF_HEAD not in received.data:
        received.more()
    head, _, rest = received.data.partition(_END_OF_HEAD)
    status, headers = _head(head)
    size = _length(headers)
    while len(rest) < size:
        received.more()
        rest = received.data[len(head) + len(_END_OF_HEAD) :]
    if status != 200:
        says = rest[:200].decode("utf-8", "replace").strip()
        raise Unreachable(f"the agent answered HTTP {status}: {says}")
    return rest[:size]


class _Port:
    """The data of one forwarded port; both of its channels begin with the port number."""

    def __init__(self, stream: Stream, deadline: float) -> None:
        self.data = b""
        self._stream, self._deadline = stream, deadline
        self._begun: set[int] = set()

    def more(self) -> None:
        """Read one message; raises `Unreachable` where there will be no more."""
        message = self._stream.receive(self._deadline)
        if message is None:
            raise Unreachable("the port-forward ended before the whole answer was there")
        channel, data = message
        if channel not in self._begun:
            self._begun.add(channel)
        elif channel == _ERROR:
            raise Unreachable(data.decode("utf-8", "replace"))
        else:
            self.data += data
        if len(self.data) > _MAX_ANSWER:
            raise Unreachable(f"the agent's answer is larger than {_MAX_ANSWER} bytes")


def _head(head: bytes) -> tuple[int, HTTPMessage]:
    first, _, rest = head.partition(b"\r\n")
    parts = first.split(None, 2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise Unreachable(f"the agent's port does not speak HTTP: {first[:60]!r}")
    try:
        return int(parts[1]), parse_headers(BytesIO(rest + _END_OF_HEAD))
    except HTTPException as error:
        raise Unreachable(f"the agent's answer has a broken head: {error}") from error


def _length(headers: HTTPMessage) -> int:
    length = str(headers.get("Content-Length", ""))
    if not length.isdigit():
        raise Unreachable("the agent's answer has no Content-Length")
    return int(length)
