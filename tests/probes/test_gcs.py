"""The door to Ray against real sockets: a replaying GCS, and everything that is not one."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.probes import gcs
from distcheck.agent.probes.ray_proto import decode, tables
from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.checks.evidence import Missing, RayCluster
from distcheck.lab.listeners import Dropper, Listener
from distcheck.lab.ray import ReplayedRay
from distcheck.lab.ray_server import ReplayServer, Reply

CORPUS = Path(__file__).parents[2] / "../shared/corpus/ray"
CAPTURES = sorted(CORPUS.glob("*/*/gcs_capture.json"))
TWO = [("127.77.21.2", 8), ("127.77.21.3", 8)]


def test_the_captures_of_real_clusters_are_there() -> None:
    if not CAPTURES and os.environ.get("CI") != "true":
        pytest.skip(f"no captures of real clusters in {CORPUS}")
    assert len(CAPTURES) >= 15


def replies_of(capture: dict[str, Any]) -> dict[str, bytes | Missing]:
    raw = capture["raw_b64"]
    return {
        method: base64.b64decode(reply) if isinstance(reply, str) else Missing(reply["code"])
        for method, reply in raw.items()
    }


def gpus(row: dict[str, Any]) -> float:
    return float(row.get("resources_total", {}).get("GPU", 0.0))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: "/".join(p.parts[-3:-1]))
def test_every_real_capture_decodes_to_what_its_index_says(path: Path) -> None:
    capture = json.loads(path.read_text())
    seen = decode.cluster("10.77.0.2:6379", None, replies_of(capture))
    assert isinstance(seen, RayCluster)
    told = capture["decoded"]
    assert seen.version == told["CheckAlive"]["ray_version"]
    assert [
        (n.id, n.ip, n.state, n.hostname, n.gpus, n.is_head, n.node_manager_port, n.end_ms)
        for n in seen.nodes
    ] == [
        (
            n["node_id"],
            n["node_manager_address"],
            n.get("state", "ALIVE"),
            n["hostname"],
            gpus(n),
            n.get("is_head_node", False),
            n["node_manager_port"],
            n.get("end_time_ms", 0),
        )
        for n in told["GetAllNodeInfo"]["nodes"]
    ]
    assert [n.death_message for n in seen.nodes] == [
        n.get("death_info", {}).get("reason_message", "") for n in told["GetAllNodeInfo"]["nodes"]
    ]


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: "/".join(p.parts[-3:-1]))
def test_groups_and_actors_of_every_real_capture_are_as_its_index_says(path: Path) -> None:
    capture = json.loads(path.read_text())
    seen = decode.cluster("10.77.0.2:6379", None, replies_of(capture))
    assert isinstance(seen, RayCluster)
    assert isinstance(seen.placement_groups, tuple)
    assert isinstance(seen.actors, tuple)
    told = capture["decoded"]
    states = [g.get("state", "PENDING") for g in told["GetAllPlacementGroup"].get("pgs", [])]
    if seen.version == "2.9.3":  # the index was made with the table of 2.36 and newer
        states = ["REMOVED" if s == "CREATED" else s for s in states]
    assert [g.state for g in seen.placement_groups] == states
    placed = [sum(bool(b.node_id) for b in g.bundles) for g in seen.placement_groups]
    assert placed == [
        sum("node_id" in b for b in g.get("bundles", []))
        for g in told["GetAllPlacementGroup"].get("pgs", [])
    ]
    actors = {a["actor_id"]: a for a in told["GetAllActorInfo"].get("actors", [])}
    assert len(seen.actors) == len(actors)
    for actor in seen.actors:
        index = actors[actor.id]
        assert actor.state == index.get("state", "DEPENDENCIES_UNREADY")
        node = index.get("node_id") or index.get("address", {}).get("node_id", "")
        assert (actor.pid, actor.node_id) == (index.get("pid", 0), node)


def test_each_worker_of_a_real_healthy_group_has_its_own_gpu() -> None:
    path = CORPUS / "v2.60.0-plain/healthy16/gcs_capture.json"
    if not path.exists():
        pytest.skip("no captures of real clusters here")
    seen = decode.cluster("a:1", None, replies_of(json.loads(path.read_text())))
    assert isinstance(seen, RayCluster)
    assert isinstance(seen.actors, tuple)
    places = {(a.ip, a.gpu_indices) for a in seen.actors}
    assert places == {(ip, (i,)) for ip in ("10.77.0.2", "10.77.0.3") for i in range(8)}
    assert sorted(a.bundle or 0 for a in seen.actors) == list(range(16))


def test_a_placement_group_state_is_read_by_the_table_of_its_version() -> None:
    assert tables.group_state(2, "2.35.0") == "REMOVED"
    assert tables.group_state(2, "2.36.0") == "CREATED"
    assert tables.group_state(2, "") == "2"
    assert tables.group_state(9, "2.60.0") == "9"


@contextmanager
def serving(
    replies: dict[str, Reply], token: str | None = None, heard: list[Any] | None = None
) -> Iterator[str]:
    server = ReplayServer(replies, "127.0.0.1:0", token=token, heard=heard)
    try:
        yield f"127.0.0.1:{server.port}"
    finally:
        server.stop()


def recorded() -> dict[str, Reply]:
    return dict(ReplayedRay(TWO).replies)


def reason(look: RayCluster | Missing) -> str:
    assert isinstance(look, Missing)
    return look.reason


def test_a_replayed_gcs_tells_its_nodes_and_when_it_was_asked() -> None:
    with serving(recorded()) as address:
        seen = gcs.look(address)
    assert isinstance(seen, RayCluster)
    assert [(n.ip, n.state, n.gpus, n.gpus_available) for n in seen.nodes] == [
        ("127.77.21.2", "ALIVE", 8.0, 8.0),
        ("127.77.21.3", "ALIVE", 8.0, 8.0),
    ]
    assert (seen.address, seen.version) == (address, "2.60.0")
    assert seen.seen_at is not None
    assert seen.seen_at.endswith("Z")


def test_a_node_without_any_free_resource_told_is_not_one_whose_gpus_are_all_in_use() -> None:
    replies = {m: r for m, r in recorded().items() if isinstance(r, bytes)}
    data = replies[tables.AVAILABLE]
    free = pb.GetAllAvailableResourcesReply.FromString(data)
    free.nodes[0].available.clear()
    del free.nodes[1].available["GPU"]
    seen = decode.cluster("a:1", None, {**replies, tables.AVAILABLE: free.SerializeToString()})
    assert isinstance(seen, RayCluster)
    told = {n.id: n.gpus_available for n in seen.nodes}
    assert [told[n.node_id.hex()] for n in free.nodes] == [None, 0.0]


def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")
    with serving(recorded()) as address:
        assert isinstance(gcs.look(address), RayCluster)


def test_a_call_that_an_older_ray_lacks_leaves_only_its_own_part_missing() -> None:
    replies = recorded()
    del replies[tables.GROUPS], replies[tables.AVAILABLE]
    with serving(replies) as address:
        seen = gcs.look(address)
    assert isinstance(seen, RayCluster)
    assert isinstance(seen.placement_groups, Missing)
    assert [n.gpus_available for n in seen.nodes] == [None, None]


def test_a_node_table_that_fails_or_is_damaged_is_missing_as_a_whole() -> None:
    with serving(recorded() | {tables.NODES: ("INTERNAL", "broken")}) as address:
        assert "INTERNAL: broken" in reason(gcs.look(address))
    with serving(recorded() | {tables.NODES: b"\xff\xff\xff"}) as address:
        assert "cannot be read" in reason(gcs.look(address))
    with serving(recorded() | {tables.NODES: b"\x0a\x08\x08\x11\x12\x04oops"}) as address:
        assert "answered oops" in reason(gcs.look(address))


def test_a_cluster_with_tokens_needs_the_right_one_and_never_shows_it() -> None:
    with serving(recorded(), token="s3cret") as address:
        assert "needs a token" in reason(gcs.look(address))
        refused = reason(gcs.look(address, token="wr0ng"))
        assert "refused the token" in refused
        assert "wr0ng" not in refused
        assert isinstance(gcs.look(address, token="s3cret"), RayCluster)
        assert "cannot be sent" in reason(gcs.look(address, token="a\nb"))


def test_a_restarted_head_is_told_from_a_token() -> None:
    wrong = ("UNAUTHENTICATED", "WrongClusterID: Perhaps the client is accessing GCS after")
    with serving(recorded() | {tables.CHECK_ALIVE: wrong}) as address:
        assert "another cluster" in reason(gcs.look(address))


def test_a_grpc_server_that_is_no_gcs_is_named_so() -> None:
    with serving({}) as address:
        assert "not a Ray GCS" in reason(gcs.look(address))


def test_a_closed_port_is_refused_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert "connection refused" in reason(gcs.look(f"127.0.0.1:{port}"))


def test_dropped_packets_are_a_time_out_that_names_the_firewall() -> None:
    hole = Dropper("127.0.0.1")
    try:
        assert "no answer to TCP within 0.5 s" in reason(
            gcs.look(f"127.0.0.1:{hole.port}", timeout=0.5)
        )
    finally:
        hole.close()


def test_a_server_that_accepts_and_says_nothing_is_not_health() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        look = gcs.look(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)
    assert "does not answer gRPC" in reason(look)


def test_a_server_that_hangs_up_is_no_gcs() -> None:
    listener = Listener("127.0.0.1")
    try:
        look = gcs.look(f"127.0.0.1:{listener.port}", timeout=1.0)
    finally:
        listener.close()
    assert "is not gRPC" in reason(look)


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_an_http_server_on_the_port_is_named_so() -> None:
    server = HTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        look = gcs.look(f"127.0.0.1:{server.server_port}", timeout=3.0)
    finally:
        server.shutdown()
        server.server_close()
    assert "another kind of server than gRPC" in reason(look)


@pytest.mark.parametrize(
    "address", ["", "head", "head:", "head:0", "head:70000", "a b:1", "a:1:2", "head:\u0666\u0663"]
)
def test_an_address_of_another_form_is_refused_in_words(address: str) -> None:
    assert "HOST:PORT" in reason(gcs.look(address))
    with pytest.raises(ValueError, match="HOST:PORT"):
        gcs.parse_address(address)


def test_an_ipv6_address_is_read_with_its_brackets() -> None:
    assert gcs.parse_address("[fd00::2]:6379") == ("fd00::2", 6379)


def test_a_name_that_does_not_resolve_is_named() -> None:
    assert "does not resolve" in reason(gcs.look("no-such-head.invalid:6379"))


def test_a_raylet_answers_a_health_check_or_its_silence_is_told() -> None:
    with serving({}, token="x") as address:
        assert gcs.health(*gcs.parse_address(address)).outcome == "serving"
    assert gcs.health(*gcs.parse_address(address)).outcome == "refused"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert gcs.health("127.0.0.1", silent.getsockname()[1], 0.5).outcome == "no_answer"


def test_raylets_are_probed_only_when_asked_and_only_alive_ones() -> None:
    ray = ReplayedRay(TWO[:1], dead=TWO[1:])
    with serving(dict(ray.replies)) as address:
        seen = gcs.look(address, raylets=True)
    assert isinstance(seen, RayCluster)
    probes = [n.raylet.outcome if n.raylet else None for n in seen.nodes]
    assert probes == ["refused", None]


def test_the_committed_messages_are_what_the_generator_makes() -> None:
    check = [sys.executable, str(Path(__file__).parents[2] / "tools/protos.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
