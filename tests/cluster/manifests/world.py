"""A stand-in cluster for tests: an API server, and agents that are small HTTP servers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.api import Api, connect
from distcheck.lab.apiserver import ApiServer, kinds, write_kubeconfig

TOKEN = "test-token"
Responder = Callable[[str], bytes]


def http_ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


class Agents:
    """Raw HTTP answers by node, each behind a real socket; `paths` is what was asked."""

    def __init__(self, responders: dict[str, Responder]) -> None:
        self.paths: list[tuple[str, str]] = []
        self._servers = {node: self._serve(node, one) for node, one in responders.items()}

    def _serve(self, node: str, responder: Responder) -> ThreadingHTTPServer:
        paths = self.paths

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                paths.append((node, self.path))
                self.wfile.write(responder(self.path))

            def log_message(self, *_args: Any) -> None:
                """Nothing to say."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def forward(self, namespace: str, pod: str, port: int) -> tuple[str, int] | None:
        node = pod.removeprefix("distcheck-agent-")
        if namespace != "distcheck" or port != 9411 or node not in self._servers:
            return None
        return "127.0.0.1", self._servers[node].server_address[1]

    def stop(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()


@contextmanager
def cluster(
    tmp_path: Path, objects: list[dict[str, Any]], agents: dict[str, Responder] | None = None,
    *, timeout: float = 5.0, **more: Any,
) -> Iterator[tuple[Api, ApiServer, Agents]]:  # fmt: skip
    doors = Agents(agents or {})
    with ApiServer(objects, token=TOKEN, forward=doors.forward, **more) as server:
        path = write_kubeconfig(tmp_path / "kubeconfig", server.url, TOKEN)
        try:
            yield connect(str(path), timeout=timeout), server, doors
        finally:
            doors.stop()


def slow(seconds: float) -> Responder:
    def answer(_path: str) -> bytes:
        time.sleep(seconds)
        return http_ok(b"{}")

    return answer


def jobs_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the API server know RayJob and MPIJob too."""
    more = (
        kinds.Kind("ray.io", "v1", "rayjobs", "RayJob", extension=True),
        kinds.Kind("kubeflow.org", "v2beta1", "mpijobs", "MPIJob", extension=True),
    )
    absent = [k for k in more if kinds.find_kind(k.group, k.version, k.plural) is None]
    monkeypatch.setattr(kinds, "KINDS", (*kinds.KINDS, *absent))
