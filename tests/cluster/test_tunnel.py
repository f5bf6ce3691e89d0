"""A port of a pod is a port of this machine, and an error on the way keeps the kubelet's words."""

import socket
import threading
import time
from pathlib import Path

import pytest

from distcheck.agent.cluster.without_agents.through import ask_gcs, ask_server, head_of
from distcheck.agent.cluster.without_agents.tunnel import Tunnel
from distcheck.checks.evidence import Missing, Pod
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import cluster

HEAD = Pod("llm", "vllm-head-0", ip="127.77.0.2", node="gpu-a", role="leader", container="vllm")


def later(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def echo() -> socket.socket:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                while data := client.recv(1 << 16):
                    client.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    return server


def test_bytes_go_both_ways_and_several_connections_are_apart(tmp_path: Path) -> None:
    with echo() as server, cluster(tmp_path, two_nodes()) as (api, stand_in, _):
        stand_in.forward = lambda _n, _p, _port: ("127.0.0.1", server.getsockname()[1])
        with Tunnel(api, HEAD, 6379, later()) as tunnel:
            for text in (b"one", b"x" * 300_000):
                with socket.create_connection(("127.0.0.1", tunnel.port), timeout=60) as client:
                    client.sendall(text)
                    got = b""
                    while len(got) < len(text):
                        got += client.recv(1 << 16)
                    assert got == text
            assert tunnel.error == ""


def test_nobody_behind_the_port_is_told_in_the_kubelets_words(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        seen = ask_server(api, HEAD, (7, 8000), later())
    assert seen == Missing(
        "port-forward to vllm-head-0:8000: error forwarding port 8000 to pod vllm-head-0:"
        " connect: connection refused"
    )


def test_a_caller_who_may_not_port_forward_is_told_so(tmp_path: Path) -> None:
    denied = (Denial(("create",), ("pods/portforward",)),)
    with cluster(tmp_path, two_nodes(), denied=denied) as (api, _, _):
        ray = ask_gcs(api, HEAD, "127.77.0.2:6379", later())
    assert isinstance(ray, Missing)
    assert 'cannot create resource "pods/portforward"' in ray.reason


def test_something_else_than_a_gcs_is_said_to_be(tmp_path: Path) -> None:
    with echo() as server, cluster(tmp_path, two_nodes()) as (api, stand_in, _):
        stand_in.forward = lambda _n, _p, _port: ("127.0.0.1", server.getsockname()[1])
        ray = ask_gcs(api, HEAD, "127.77.0.2:6379", later(3))
    assert isinstance(ray, Missing)
    assert ray.reason.startswith("Ray's GCS in vllm-head-0 (port-forward): ")


def test_no_time_is_no_question(tmp_path: Path) -> None:
    with cluster(tmp_path, []) as (api, _, _):
        assert isinstance(ask_gcs(api, HEAD, "127.77.0.2:6379", time.monotonic()), Missing)
        assert isinstance(ask_server(api, HEAD, (1, 8000), time.monotonic()), Missing)
        assert api.calls == 0


@pytest.mark.parametrize("address", ["", "x", "head:99999", "head:0", "[::1]:", "a b:1"])
def test_an_address_that_is_none_is_missing(tmp_path: Path, address: str) -> None:
    with cluster(tmp_path, []) as (api, _, _):
        assert isinstance(ask_gcs(api, HEAD, address, later()), Missing)


def test_an_engine_answers_through_the_tunnel(tmp_path: Path) -> None:
    body = b'{"version": "0.10.2"}'
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        len(body),
        body,
    )
    with socket.create_server(("127.0.0.1", 0)) as server, cluster(tmp_path, two_nodes()) as world:
        api, stand_in, _ = world

        def serve() -> None:
            for _ in range(3):
                client, _peer = server.accept()
                with client:
                    client.recv(1 << 16)
                    client.sendall(said)

        threading.Thread(target=serve, daemon=True).start()
        stand_in.forward = lambda _n, _p, _port: ("127.0.0.1", server.getsockname()[1])
        seen = ask_server(api, HEAD, (7, 8000), later())
    assert isinstance(seen, EngineHttp)
    assert (seen.version, seen.pid, seen.address) == (
        "0.10.2",
        7,
        "port-forward to vllm-head-0:8000",
    )


def test_the_head_is_found_by_address_by_name_and_else_by_role() -> None:
    worker = Pod("llm", "vllm-worker-0", ip="127.77.0.3")
    pods = [worker, HEAD]
    assert head_of("127.77.0.3:6379", pods) is worker
    assert head_of("vllm-worker-0.svc:6379", pods) is worker
    assert head_of("vllm-head:6379", pods) is HEAD
    assert head_of("x:1", []) is None
