"""Answers of a GCS that are cut, huge, wrong, or meant to hurt: each ends in bounded evidence."""

import math
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.probes.test_gcs import recorded, serving

from distcheck.agent.probes import gcs
from distcheck.agent.probes.ray_proto import decode, tables
from distcheck.agent.probes.ray_proto import gcs_pb2 as pb
from distcheck.checks.evidence import Missing, RayCluster, ray
from distcheck.lab.ray import ReplayedRay

GOOD = ReplayedRay([("127.77.21.2", 8), ("127.77.21.3", 8)]).replies


def read(**changed: Any) -> RayCluster:
    """The good answers, some of them changed."""
    given_ = {getattr(tables, name): message for name, message in changed.items()}
    replies = GOOD | {m: r.SerializeToString() for m, r in given_.items()}
    seen = decode.cluster("10.0.0.2:6379", "2026-01-15T09:30:00Z", replies)
    assert isinstance(seen, RayCluster)
    return seen


def whole(seen: RayCluster) -> bool:
    """It goes through the evidence file and comes back the same."""
    return msgspec.json.decode(msgspec.json.encode(seen), type=RayCluster) == seen


def test_of_thousands_of_dead_rows_the_newest_stay_and_the_others_are_counted() -> None:
    rows = [
        pb.Node(node_id=b"d%d" % i, address="10.0.0.9", state=1, end_time_ms=i) for i in range(9000)
    ]
    alive = pb.Node(node_id=b"alive", address="10.0.0.2")
    seen = read(NODES=pb.GetAllNodeInfoReply(nodes=[*rows, alive]))
    assert seen.nodes[-1].id == b"alive".hex()
    assert [n.end_ms for n in seen.nodes[:-1]] == list(range(9000 - 256, 9000))
    assert seen.left_out == {"nodes": 9000 - 256}


def test_more_rows_than_any_cluster_has_are_bounded_too() -> None:
    rows = pb.GetAllNodeInfoReply(nodes=[pb.Node()] * 30_000)
    actors = pb.GetAllActorInfoReply(actors=[pb.ActorData(class_name="RayWorkerProc")] * 30_000)
    seen = read(NODES=rows, ACTORS=actors)
    assert len(seen.nodes) == 4096
    assert isinstance(seen.actors, tuple)
    assert len(seen.actors) == 4096
    assert seen.left_out == {"nodes": 25_904, "actors": 25_904}


def test_an_agent_makes_no_messages_of_a_reply_of_empty_rows() -> None:
    """Two million of them are 4 MiB, and were more memory than the agent has."""
    replies: dict[str, Any] = dict.fromkeys(tables.METHODS, b"")
    replies[tables.NODES] = b"\x12\x00" * 1_000_000
    with serving(replies) as address:
        seen = gcs.look(address)
    assert isinstance(seen, Missing)
    assert "more than 20000 rows" in seen.reason
    replies[tables.NODES] = bytes(5 << 20)
    with serving(replies) as address:
        seen = gcs.look(address)
    assert isinstance(seen, Missing)
    assert "larger than max" in seen.reason


def test_removed_groups_of_earlier_jobs_are_bounded() -> None:
    groups = [pb.PlacementGroupData(id=b"%d" % i, state=3) for i in range(400)]
    seen = read(GROUPS=pb.GetAllPlacementGroupReply(groups=groups))
    assert isinstance(seen.placement_groups, tuple)
    assert len(seen.placement_groups) == 256
    assert seen.placement_groups[-1].id == b"399".hex()


@pytest.mark.parametrize("told", [math.nan, math.inf, -math.inf, -8.0, 1e300])
def test_a_number_of_gpus_that_no_node_has_is_none(told: float) -> None:
    row = pb.Node(node_id=b"a", resources_total={"GPU": told})
    seen = read(NODES=pb.GetAllNodeInfoReply(nodes=[row]))
    assert seen.nodes[0].gpus == 0.0
    assert whole(seen)


def test_ports_and_times_that_cannot_be_are_none() -> None:
    row = pb.Node(node_manager_port=70_000, object_manager_port=-1, end_time_ms=(1 << 64) - 1)
    (seen,) = read(NODES=pb.GetAllNodeInfoReply(nodes=[row])).nodes
    assert (seen.node_manager_port, seen.object_manager_port, seen.end_ms) == (0, 0, 0)


def test_the_ports_that_only_new_versions_name_are_read() -> None:
    row = pb.Node(metrics_agent_port=7001, dashboard_agent_port=7002)
    (seen,) = read(NODES=pb.GetAllNodeInfoReply(nodes=[row])).nodes
    assert (seen.metrics_agent_port, seen.dashboard_agent_port) == (7001, 7002)


def test_names_are_one_short_line() -> None:
    row = pb.Node(hostname="a\nb\x1b[31m" + "c" * 900, address="10.0.0.2")
    (seen,) = read(NODES=pb.GetAllNodeInfoReply(nodes=[row])).nodes
    assert seen.hostname.startswith("ab[31mccc")
    assert len(seen.hostname) <= 300


def test_an_unknown_state_keeps_its_number() -> None:
    row = pb.Node(state=7)
    row.snapshot.state = 9
    row.death_info.reason = 11
    (seen,) = read(NODES=pb.GetAllNodeInfoReply(nodes=[row])).nodes
    assert (seen.state, seen.activity, seen.death_reason) == ("7", "9", "11")


def test_a_draining_node_is_told() -> None:
    row = pb.Node()
    row.snapshot.state = 3
    assert read(NODES=pb.GetAllNodeInfoReply(nodes=[row])).nodes[0].activity == "DRAINING"


def test_a_field_that_an_old_ray_has_with_another_type_spoils_nothing() -> None:
    """In Ray 2.9.3 field 11 of an actor's death is a bool (node_died), later a message."""
    died = b"\x0a\x04oops\x58\x01"  # error_message, and field 11 as a varint
    cause = b"\x1a" + bytes([len(died)]) + died
    actor = b"\x30\x04\xba\x01\x0dRayWorkerProc\xc2\x01" + bytes([len(cause)]) + cause
    reply = b"\x12" + bytes([len(actor)]) + actor
    seen = decode.cluster("a:1", None, GOOD | {tables.ACTORS: reply})
    assert isinstance(seen, RayCluster)
    assert isinstance(seen.actors, tuple)
    assert [(a.state, a.death) for a in seen.actors] == [("DEAD", "oops")]


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_cut_and_changed_answers_end_in_evidence_or_a_reason(
    method: str, data: st.DataObject
) -> None:
    reply = bytearray(GOOD[method][: data.draw(st.integers(0, len(GOOD[method])))])
    for _ in range(data.draw(st.integers(0, 4)) if reply else 0):
        reply[data.draw(st.integers(0, len(reply) - 1))] = data.draw(st.integers(0, 255))
    seen = decode.cluster("a:1", None, GOOD | {method: bytes(reply)})
    assert isinstance(seen, Missing) or whole(seen)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.binary(max_size=300)))
def test_noise_ends_in_evidence_or_a_reason(noise: dict[str, bytes]) -> None:
    seen = decode.cluster("a:1", None, GOOD | noise)
    assert isinstance(seen, Missing) or whole(seen)


def cause(seen: RayCluster | Missing) -> str:
    assert isinstance(seen, Missing)
    return seen.cause


def test_the_cause_says_whether_the_gcs_is_alive() -> None:
    with serving(recorded(), token="s3cret") as address:
        assert cause(gcs.look(address)) == ray.NEEDS_TOKEN
        assert cause(gcs.look(address, token="wr0ng")) == ray.TOKEN_REFUSED
    assert cause(gcs.look(address)) == ray.GCS_REFUSED
    assert cause(gcs.look("no-such-head.invalid:6379")) == ray.GCS_UNRESOLVED
    with serving({}) as address:
        assert cause(gcs.look(address)) == ray.NOT_A_GCS
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert cause(gcs.look(f"127.0.0.1:{port}", timeout=0.3)) == ray.GCS_SILENT
    with serving(recorded() | {tables.NODES: ("INTERNAL", "x")}) as address:
        assert cause(gcs.look(address)) == ray.GCS_BROKEN


def test_a_gcs_too_busy_to_tell_is_still_alive_by_its_health_check() -> None:
    with serving(recorded() | {tables.CHECK_ALIVE: 5.0}) as address:
        seen = gcs.look(address, timeout=0.4)
    assert cause(seen) == ray.GCS_SILENT
    assert "it is alive" in str(seen)


def test_a_call_that_hangs_leaves_its_own_part_missing_in_time() -> None:
    with serving(recorded() | {tables.AVAILABLE: 60.0}) as address:
        seen = gcs.look(address, timeout=0.5)
    assert isinstance(seen, RayCluster)
    assert [n.gpus_available for n in seen.nodes] == [None, None]


def test_a_token_is_not_sent_to_a_gcs_that_does_not_ask_for_one() -> None:
    heard: list[Any] = []
    with serving(recorded(), heard=heard) as address:
        assert isinstance(gcs.look(address, token="s3cret"), RayCluster)
    assert heard
    assert not any("s3cret" in str(metadata) for metadata in heard)


@contextmanager
def tls_server(folder: Path) -> Iterator[int]:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-subj", "/CN=head", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def test_a_gcs_behind_tls_is_named_so(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        assert os.environ.get("CI") != "true", "openssl must be there in CI"
        pytest.skip("needs openssl")
    with tls_server(tmp_path) as port:
        seen = gcs.look(f"127.0.0.1:{port}", timeout=2.0)
    assert cause(seen) == ray.NEEDS_TLS
