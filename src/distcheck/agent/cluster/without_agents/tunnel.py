"""A port of a pod as a port of this machine's loopback, for as long as it is needed."""

import socket
import threading
import time
from types import TracebackType
from typing import Self

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.stream import Stream
from distcheck.checks.evidence import Pod

_PIECE = 32 * 1024
_DATA, _ERROR = 0, 1
_AT_ONCE = 8


class Tunnel:
    """Each connection to `port` here is a port-forward of its own to the pod's port.

    `error` is why the last one failed: the API server's refusal, or the kubelet's words.
    """

    def __init__(self, api: Api, pod: Pod, port: int, deadline: float) -> None:
        self.error = ""
        self._api, self._deadline = api, deadline
        self._path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/portforward"
        self._query = [("ports", str(port))]
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_AT_ONCE)
        self._streams: set[Stream] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True, name="tunnel").start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more, and hang up."""
        self._listener.close()
        for stream in list(self._streams):
            stream.close()

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(client,), daemon=True).start()

    def _join(self, client: socket.socket) -> None:
        with client:
            try:
                stream = self._api.stream(self._path, self._query)
            except ClusterError as error:
                self.error = str(error)
                return
            self._streams.add(stream)
            threading.Thread(target=self._sent, args=(client, stream), daemon=True).start()
            try:
                self._received(client, stream)
            finally:
                stream.close()
                self._streams.discard(stream)

    def _sent(self, client: socket.socket, stream: Stream) -> None:
        """What the client writes, to the pod; a client that hangs up ends both."""
        try:
            while data := client.recv(_PIECE):
                stream.send(_DATA, data)
        except (OSError, ClusterError):
            pass
        stream.close()

    def _received(self, client: socket.socket, stream: Stream) -> None:
        """What the pod writes, to the client; the first frame of a channel is the port."""
        begun: set[int] = set()
        try:
            while time.monotonic() < self._deadline and (said := stream.receive(self._deadline)):
                channel, data = said
                if channel in begun and channel == _ERROR:
                    self.error = data[:300].decode("utf-8", "replace")
                    break
                if channel in begun and channel == _DATA:
                    client.sendall(data)
                begun.add(channel)
            client.shutdown(socket.SHUT_RDWR)
        except (OSError, ClusterError):
            return
