"""Raylets asked for their health: real gRPC servers, and everything that is not one."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distcheck.agent.grpc_health import health
from distcheck.agent.listeners import Allowance
from distcheck.agent.probes import raylets
from distcheck.agent.probes.raylets import RayletTarget
from distcheck.agent.raylet_look import NamedRaylets, RayletLooker
from distcheck.agent.settings import Settings
from distcheck.checks.evidence.ray import RayCluster, RayletAnswer, RayNode
from distcheck.lab.listeners import Dropper, Listener
from distcheck.lab.ray_server import ReplayServer

SERVING = b"\x00\x00\x00\x00\x02\x08\x01"


def target(port: int, service: str = "node_manager", ip: str = "127.0.0.1") -> RayletTarget:
    return RayletTarget("llm/vllm-worker-0", ip, port, service)


def asked(*targets: RayletTarget) -> list[RayletAnswer]:
    return raylets.look(None, targets, shared=True)


@contextmanager
def raylet() -> Iterator[int]:
    server = ReplayServer({}, "127.0.0.1:0")
    try:
        yield server.port
    finally:
        server.stop()


@contextmanager
def answering(*pieces: bytes) -> Iterator[int]:
    """A server that says `pieces` to whoever connects, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1 << 16)
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1 << 16)
        except OSError:
            return

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def test_a_raylet_that_is_well_says_so() -> None:
    with raylet() as port:
        (answer,) = asked(target(port))
    assert (answer.peer, answer.outcome, answer.detail) == ("llm/vllm-worker-0", "serving", "")


def test_of_an_object_store_one_connection_is_made() -> None:
    listener = Listener("127.0.0.1")
    try:
        assert [a.outcome for a in asked(target(listener.port, "object_manager"))] == ["open"]
    finally:
        listener.close()


def test_a_port_where_nothing_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert [a.outcome for a in asked(target(port))] == ["refused"]


def test_many_that_are_cut_off_are_silent_within_the_time_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raylets, "SECONDS", 0.3)
    hole = Dropper("127.0.0.1")
    try:
        start = time.monotonic()
        answers = asked(*(target(hole.port) for _ in range(40)))
        seconds = time.monotonic() - start
    finally:
        hole.close()
    assert {a.outcome for a in answers} == {"no_answer"}
    assert seconds < 40 * raylets.SECONDS


def test_a_server_that_takes_connections_and_says_nothing_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = socket.create_connection(silent.getsockname())
        with connection:
            assert health(connection, time.monotonic() + 0.1)[0] == "no_answer"


@pytest.mark.parametrize(
    ("said", "outcome", "detail"),
    [
        (frame(0, SERVING), "serving", ""),
        (frame(0, SERVING[:3]) + frame(0) + frame(0, SERVING[3:]), "serving", ""),
        (frame(0, b"\x02" + SERVING + b"\0\0", flags=8), "serving", ""),
        (frame(0, b"\x00\x00\x00\x00\x02\x08\x02"), "error", "does not serve"),
        (frame(1, b"\x88", flags=5), "error", "answers gRPC, but not whether"),
        (frame(3, bytes(4)), "error", "answers gRPC, but not whether"),
        (frame(7, bytes(8), stream=0), "error", "answers gRPC, but not whether"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "error", "is not gRPC"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "error", "speaks TLS"),
        (b"", "error", "is not gRPC, or closed"),
    ],
)
def test_each_other_answer_is_named(said: bytes, outcome: str, detail: str) -> None:
    with answering(frame(4, stream=0), said) as port:
        (answer,) = asked(target(port))
    assert answer.outcome == outcome
    assert detail in answer.detail


def test_an_alert_of_tls_in_place_of_a_first_frame_is_named() -> None:
    with answering(b"\x15\x03\x01\x00\x02\x02\x46") as port:
        assert "speaks TLS" in asked(target(port))[0].detail


def test_addresses_that_no_pod_can_have_are_not_asked() -> None:
    (answer,) = asked(target(80, ip="169.254.169.254"))
    assert "not asked" in answer.detail


def test_beyond_the_first_ones_none_is_asked_and_each_says_so() -> None:
    with raylet() as port:
        answers = asked(*[target(port)] * (raylets.MAX_TARGETS + 1))
    assert [a.outcome for a in answers[-2:]] == ["serving", "error"]
    assert "at most" in answers[-1].detail


def looker(proc: Path, *, granted: bool = False, api: str = "", ips: str = "") -> RayletLooker:
    """One whose GCS names raylets at these addresses, on the port after the colon."""
    named = NamedRaylets()
    at = [a.rpartition(":") for a in ips.split()]
    rows = (RayNode("1f", ip, "ALIVE", node_manager_port=int(port)) for ip, _, port in at)
    named.remember(RayCluster("10.0.0.2:6379", nodes=tuple(rows)))
    settings = Settings(node="gpu-a", host_proc=str(proc), port_probes=granted, api_server=api)
    return RayletLooker(settings, Allowance(), named)


def pod(proc: Path, pid: int = 41) -> Path:
    """A process in the agent's own network namespace."""
    folder = proc / str(pid) / "ns"
    folder.mkdir(parents=True)
    (folder / "net").symlink_to("/proc/self/ns/net")
    return proc


def test_where_the_pod_cannot_be_entered_its_agent_asks_and_says_that_it_did(
    tmp_path: Path,
) -> None:
    pod(tmp_path)
    with raylet() as port:
        seen = looker(tmp_path, ips=f"127.0.0.1:{port}").look(41, [target(port)])
    assert (seen.inside, seen.where) == (False, "the agent on gpu-a")
    assert [a.outcome for a in seen.answers] == ["serving"]


def test_from_its_own_network_an_agent_asks_only_raylets_that_its_gcs_named(
    tmp_path: Path,
) -> None:
    pod(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        seen = looker(tmp_path).look(41, [target(server.getsockname()[1])])
        _nobody_came(server)
    assert "no GCS that this agent asked names it" in seen.answers[0].detail


@pytest.mark.parametrize("granted", [False, True])
def test_the_loopback_of_the_agents_own_pod_is_no_raylet(tmp_path: Path, granted: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        named = f"127.0.0.1:{port} ::ffff:127.0.0.1:{port}"
        targets = [target(port), target(port, ip="::ffff:127.0.0.1")]
        seen = looker(tmp_path, granted=granted, ips=named).look(41, targets)
        _nobody_came(server)
    assert all("is a loopback address" in a.detail for a in seen.answers)


@pytest.mark.parametrize("granted", [False, True])
def test_neither_the_kubernetes_api_nor_a_public_address_is_a_raylet(
    tmp_path: Path, granted: bool
) -> None:
    ips = ("10.96.0.1", "::ffff:10.96.0.1", "8.8.8.8")
    named = " ".join(f"{ip}:443" for ip in ips)
    look = looker(pod(tmp_path), granted=granted, api="10.96.0.1", ips=named)
    answers = look.look(41, [target(443, ip=ip) for ip in ips]).answers
    assert ["Kubernetes API" in a.detail for a in answers] == [True, True, False]
    assert "not asked: 8.8.8.8 is a public address" in answers[2].detail


def test_raylets_count_among_the_connections_of_a_minute(tmp_path: Path) -> None:
    with raylet() as port:
        look = looker(pod(tmp_path), granted=True)
        look.allowance.take(1023)
        seen = look.look(41, [target(port), target(port)])
    assert [a.outcome for a in seen.answers] == ["serving", "error"]
    assert "connections in a minute" in seen.answers[1].detail


def test_a_gcs_takes_back_what_it_named_before() -> None:
    named = NamedRaylets()
    for port in (7001, 7002):
        node = RayNode("1f", "10.0.0.2", "ALIVE", node_manager_port=port)
        named.remember(RayCluster("10.0.0.2:6379", nodes=(node,)))
    assert [named.has(target(p, ip="10.0.0.2")) for p in (7001, 7002)] == [False, True]


def test_of_many_clusters_the_raylets_of_the_last_ones_are_kept() -> None:
    named = NamedRaylets()
    for at in range(20):
        node = RayNode("1f", f"10.0.0.{at}", "ALIVE", node_manager_port=7001)
        named.remember(RayCluster(f"10.0.0.{at}:6379", nodes=(node,)))
    known = [at for at in range(20) if named.has(target(7001, ip=f"10.0.0.{at}"))]
    assert known == list(range(12, 20))


def _nobody_came(server: socket.socket) -> None:
    server.settimeout(0.05)
    with pytest.raises(TimeoutError):
        server.accept()


def _two_ends(said: bytes, see: Callable[[socket.socket], None]) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(said)
        there.shutdown(socket.SHUT_WR)
        see(here)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=200), st.integers(0, 16), st.booleans())
def test_whatever_is_answered_it_ends_in_words(noise: bytes, cut: int, framed: bool) -> None:
    whole = frame(4, stream=0) + frame(0, SERVING)
    said = whole[:cut] + (frame(noise[0] if noise else 0, noise) if framed else noise)

    def see(connection: socket.socket) -> None:
        outcome, detail = health(connection, time.monotonic() + 2)
        assert outcome in ("serving", "error", "no_answer")
        assert (outcome == "serving") == (detail == "")

    _two_ends(said, see)
